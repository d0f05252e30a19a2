package command

import (
	"slices"
	"strconv"

	"github.com/elastane/elastane/engine/glob"
	"github.com/elastane/elastane/engine/keyspace"
	"github.com/elastane/elastane/engine/pubsub"
	"github.com/elastane/elastane/engine/resp"
)

// subscriptions are a client's side of pub/sub; they belong to its loop.
type subscriptions struct {
	names [3]map[string]struct{} // by pubsub.Kind
	busy  bool                   // the client's commands are being run: messages wait in queue
	queue []byte
}

func (s *subscriptions) any() bool {
	return len(s.names[0])+len(s.names[1])+len(s.names[2]) > 0
}

// Deliver is part of pubsub.Subscriber.
func (c *Client) Deliver(m *pubsub.Message) {
	message := *m
	if c.Conn.Loop() == m.From && m.From != nil {
		c.receive(&message)
		return
	}
	c.Conn.Post(func() { c.receive(&message) })
}

// receive writes a message to the client, after the reply that may be under way.
func (c *Client) receive(m *pubsub.Message) {
	if c.subs.busy {
		w := resp.Writer{Buf: c.subs.queue, Proto: c.Proto}
		writeMessage(&w, m)
		c.subs.queue = w.Buf
		return
	}
	c.Conn.Push(func(w *resp.Writer) {
		w.Proto = c.Proto
		writeMessage(w, m)
	})
}

func writeMessage(w *resp.Writer, m *pubsub.Message) {
	switch m.Kind {
	case pubsub.Pattern:
		w.Push(4)
		w.BulkString("pmessage")
		w.BulkString(m.Pattern)
	case pubsub.Shard:
		w.Push(3)
		w.BulkString("smessage")
	default:
		w.Push(3)
		w.BulkString("message")
	}
	w.BulkString(m.Channel)
	w.Bulk(m.Payload)
}

// The words of the confirmations, by kind.
var (
	subscribeWords   = [...]string{"subscribe", "psubscribe", "ssubscribe"}
	unsubscribeWords = [...]string{"unsubscribe", "punsubscribe", "sunsubscribe"}
)

func (c *Ctx) subscribe(k pubsub.Kind) {
	subs := &c.Client.subs
	if c.Client.Conn == nil {
		c.Reply.Error(ErrNotPermitted)
		return
	}
	for _, arg := range c.Args.Rest() {
		name := string(arg)
		if c.Server.PubSub.Subscribe(k, name, c.Client) {
			if subs.names[k] == nil {
				subs.names[k] = make(map[string]struct{})
			}
			subs.names[k][name] = struct{}{}
			c.Client.Conn.SetPubSub(true)
		}
		c.confirm(subscribeWords[k], k, name, true)
	}
}

func (c *Ctx) unsubscribe(k pubsub.Kind) {
	names := c.Args.Rest()
	if len(names) == 0 {
		for name := range c.Client.subs.names[k] {
			names = append(names, []byte(name))
		}
		slices.SortFunc(names, slices.Compare)
		if len(names) == 0 {
			c.confirm(unsubscribeWords[k], k, "", false)
			return
		}
	}
	for _, arg := range names {
		name := string(arg)
		c.Server.unsubscribe(c.Client, k, name)
		c.confirm(unsubscribeWords[k], k, name, true)
	}
}

// confirm writes the confirmation, which counts channels and patterns together, shard channels alone.
func (c *Ctx) confirm(word string, k pubsub.Kind, name string, named bool) {
	subs := &c.Client.subs
	c.Reply.Push(3)
	c.Reply.BulkString(word)
	if named {
		c.Reply.BulkString(name)
	} else {
		c.Reply.Null()
	}
	if k == pubsub.Shard {
		c.Reply.Int(int64(len(subs.names[pubsub.Shard])))
		return
	}
	c.Reply.Int(int64(len(subs.names[pubsub.Channel]) + len(subs.names[pubsub.Pattern])))
}

func (s *Server) unsubscribe(c *Client, k pubsub.Kind, name string) {
	if !s.PubSub.Unsubscribe(k, name, c) {
		return
	}
	delete(c.subs.names[k], name)
	if !c.subs.any() && c.Conn != nil {
		c.Conn.SetPubSub(false)
	}
}

func (s *Server) unsubscribeAll(c *Client) {
	for k := range c.subs.names {
		for name := range c.subs.names[k] {
			s.unsubscribe(c, pubsub.Kind(k), name)
		}
	}
}

// notify publishes a keyspace notification, if its class is asked for (notify-keyspace-events).
func (s *Server) notify(classes uint64, db int, key []byte, ev keyspace.Event) {
	if classes&classBit(ev.Class) == 0 {
		return
	}
	at := "@" + strconv.Itoa(db) + "__:"
	if classes&classBit('K') != 0 {
		s.PubSub.Publish(false, append([]byte("__keyspace"+at), key...), []byte(ev.Name), nil)
	}
	if classes&classBit('E') != 0 {
		s.PubSub.Publish(false, []byte("__keyevent"+at+ev.Name), key, nil)
	}
}

const subscribeFlags = PubSub | NoScript | Loading | Stale | InSubscribe

var pubsubSpecs = []Spec{
	{
		Name: "psubscribe", Group: "pubsub", Since: "2.0.0", Arity: -2,
		Summary: "Listens to the channels that match patterns.",
		Flags:   subscribeFlags, Channels: Channels{First: 1, Last: -1, Patterns: true}, Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.subscribe(pubsub.Pattern) },
	},
	{
		Name: "publish", Group: "pubsub", Since: "2.0.0", Arity: 3,
		Summary: "Sends a message to a channel.",
		Flags:   PubSub | Loading | Stale | Fast | MayReplicate, Channels: Channels{First: 1, Last: 1}, Categories: "pubsub fast",
		Handler: cmdPUBLISH,
	},
	{
		Name: "pubsub", Group: "pubsub", Since: "2.8.0", Arity: -2,
		Summary: "Container of the commands that look into publish/subscribe.", Categories: "slow",
		Sub: []Spec{
			{
				Name: "channels", Since: "2.8.0", Arity: -2, Summary: "Lists the channels that have subscribers.",
				Flags: PubSub | Loading | Stale, Categories: "pubsub slow",
				Handler: func(c *Ctx) { c.listChannels(pubsub.Channel) },
			},
			{
				Name: "numpat", Since: "2.8.0", Arity: 2, Summary: "Counts the patterns that have subscribers.",
				Flags: PubSub | Loading | Stale, Categories: "pubsub slow",
				Handler: func(c *Ctx) { c.Reply.Int(int64(c.Server.PubSub.Len(pubsub.Pattern))) },
			},
			{
				Name: "numsub", Since: "2.8.0", Arity: -2, Summary: "Counts the subscribers of channels.",
				Flags: PubSub | Loading | Stale, Categories: "pubsub slow",
				Handler: func(c *Ctx) { c.countSubscribers(pubsub.Channel) },
			},
			{
				Name: "shardchannels", Since: "7.0.0", Arity: -2, Summary: "Lists the shard channels that have subscribers.",
				Flags: PubSub | Loading | Stale, Categories: "pubsub slow",
				Handler: func(c *Ctx) { c.listChannels(pubsub.Shard) },
			},
			{
				Name: "shardnumsub", Since: "7.0.0", Arity: -2, Summary: "Counts the subscribers of shard channels.",
				Flags: PubSub | Loading | Stale, Categories: "pubsub slow",
				Handler: func(c *Ctx) { c.countSubscribers(pubsub.Shard) },
			},
		},
	},
	{
		Name: "punsubscribe", Group: "pubsub", Since: "2.0.0", Arity: -1,
		Summary: "Stops listening to patterns.",
		Flags:   subscribeFlags, Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.unsubscribe(pubsub.Pattern) },
	},
	{
		Name: "spublish", Group: "pubsub", Since: "7.0.0", Arity: 3,
		Summary: "Sends a message to a shard channel.",
		Flags:   PubSub | Loading | Stale | Fast | MayReplicate, Keys: OneKey.Uses("not_key"), Lock: LockKeys, Channels: Channels{First: 1, Last: 1}, Categories: "pubsub fast",
		Handler: cmdSPUBLISH,
	},
	{
		Name: "ssubscribe", Group: "pubsub", Since: "7.0.0", Arity: -2,
		Summary: "Listens to shard channels.",
		Flags:   subscribeFlags, Keys: AllKeys.Uses("not_key"), Channels: Channels{First: 1, Last: -1}, Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.subscribe(pubsub.Shard) },
	},
	{
		Name: "subscribe", Group: "pubsub", Since: "2.0.0", Arity: -2,
		Summary: "Listens to channels.",
		Flags:   subscribeFlags, Channels: Channels{First: 1, Last: -1}, Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.subscribe(pubsub.Channel) },
	},
	{
		Name: "sunsubscribe", Group: "pubsub", Since: "7.0.0", Arity: -1,
		Summary: "Stops listening to shard channels.",
		Flags:   subscribeFlags, Keys: AllKeys.Uses("not_key"), Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.unsubscribe(pubsub.Shard) },
	},
	{
		Name: "unsubscribe", Group: "pubsub", Since: "2.0.0", Arity: -1,
		Summary: "Stops listening to channels.",
		Flags:   subscribeFlags, Categories: "pubsub slow",
		Handler: func(c *Ctx) { c.unsubscribe(pubsub.Channel) },
	},
}

// PUBLISH channel message
func cmdPUBLISH(c *Ctx) { c.publish(false) }

// SPUBLISH shardchannel message
func cmdSPUBLISH(c *Ctx) { c.publish(true) }

func (c *Ctx) publish(shard bool) {
	channel, message := c.Args.Bytes(), c.Args.Bytes()
	if c.Failed() {
		return
	}
	n := c.Server.PubSub.Publish(shard, channel, message, c.worker.Loop)
	c.Propagate(c.Args.argv...)
	c.Reply.Int(int64(n))
}

func (c *Ctx) listChannels(k pubsub.Kind) {
	pattern := c.Args.Rest()
	if len(pattern) > 1 {
		c.Reply.Error("ERR wrong number of arguments for '" + c.Spec.FullName() + "' command")
		return
	}
	names := c.Server.PubSub.Names(k)
	if len(pattern) == 1 {
		names = slices.DeleteFunc(names, func(name string) bool { return !glob.Match(pattern[0], []byte(name)) })
	}
	c.Reply.Array(len(names))
	for _, name := range names {
		c.Reply.BulkString(name)
	}
}

func (c *Ctx) countSubscribers(k pubsub.Kind) {
	names := c.Args.Rest()
	c.Reply.Array(2 * len(names))
	for _, name := range names {
		c.Reply.Bulk(name)
		c.Reply.Int(int64(c.Server.PubSub.Count(k, string(name))))
	}
}
