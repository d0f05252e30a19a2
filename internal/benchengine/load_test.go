package main

import "testing"

func TestRepliesAreCountedInPieces(t *testing.T) {
	t.Parallel()
	const stream = "+OK\r\n:12\r\n$5\r\nab\r\nc\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n$0\r\n\r\n*2\r\n:1\r\n$1\r\nx\r\n+end\r\n"
	const replies = 8
	for piece := 1; piece <= len(stream); piece++ {
		var r replyReader
		var unread []byte
		total := 0
		for at := 0; at < len(stream); at += piece {
			unread = append(unread, stream[at:min(at+piece, len(stream))]...)
			whole, used, err := r.count(unread)
			if err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
			unread = unread[used:]
			total += whole
		}
		if total != replies || len(unread) != 0 {
			t.Errorf("pieces of %d: %d replies and %d bytes are left, want %d and none", piece, total, len(unread), replies)
		}
	}
	var r replyReader
	if _, _, err := r.count([]byte("-ERR no\r\n")); err == nil {
		t.Error("an error reply was counted")
	}
}
