package command

// The literals of propagated effects, so that none is allocated on the way.
var (
	wordDEL       = []byte("DEL")
	wordUNLINK    = []byte("UNLINK")
	wordHSET      = []byte("HSET")
	wordKEEPTTL   = []byte("KEEPTTL")
	wordLEFT      = []byte("LEFT")
	wordLMOVE     = []byte("LMOVE")
	wordLPOP      = []byte("LPOP")
	wordPERSIST   = []byte("PERSIST")
	wordPEXPIREAT = []byte("PEXPIREAT")
	wordPFCOUNT   = []byte("PFCOUNT")
	wordPXAT      = []byte("PXAT")
	wordRIGHT     = []byte("RIGHT")
	wordRPOP      = []byte("RPOP")
	wordSET       = []byte("SET")
	wordSREM      = []byte("SREM")
	wordZPOPMAX   = []byte("ZPOPMAX")
	wordZPOPMIN   = []byte("ZPOPMIN")
	wordZero      = []byte("0")
)
