package command

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"github.com/elastane/elastane/engine/acl"
	"github.com/elastane/elastane/engine/pubsub"
)

// infoSections are the sections of INFO in Valkey's order; those that are not in the default set say so.
var infoSections = []struct {
	name   string
	extra  bool // only with ALL, EVERYTHING or by name
	append func(c *Ctx, b *infoWriter)
}{
	{name: "Server", append: infoServer},
	{name: "SSL", append: infoSSL},
	{name: "Clients", append: infoClients},
	{name: "Memory", append: infoMemory},
	{name: "Persistence", append: infoPersistence},
	{name: "Stats", append: infoStats},
	{name: "Replication", append: infoReplication},
	{name: "CPU", append: infoCPU},
	{name: "Modules", append: func(*Ctx, *infoWriter) {}},
	{name: "Commandstats", extra: true, append: infoCommandStats},
	{name: "Errorstats", append: infoErrorStats},
	{name: "Latencystats", extra: true, append: infoLatencyStats},
	{name: "Cluster", append: infoCluster},
	{name: "Keyspace", append: infoKeyspace},
}

// infoWriter builds INFO's text.
type infoWriter struct{ b []byte }

func (w *infoWriter) line(name string, value any) {
	w.b = fmt.Appendf(w.b, "%s:%v\r\n", name, value)
}

func (w *infoWriter) bytes(name string, n int64) {
	w.line(name, n)
	w.line(name+"_human", human(n))
}

// INFO [section [section …]]
func cmdINFO(c *Ctx) {
	wanted := map[string]bool{}
	for c.Args.More() {
		wanted[strings.ToLower(c.Args.String())] = true
	}
	all := wanted["all"] || wanted["everything"]
	standard := len(wanted) == 0 || wanted["default"]
	var w infoWriter
	for _, section := range infoSections {
		name := strings.ToLower(section.name)
		if !all && !wanted[name] && (!standard || section.extra) {
			continue
		}
		if name == "ssl" && !c.Server.Managed && !wanted[name] {
			continue
		}
		if len(w.b) > 0 {
			w.b = append(w.b, "\r\n"...)
		}
		w.b = append(w.b, "# "+section.name+"\r\n"...)
		section.append(c, &w)
	}
	c.Reply.Verbatim("txt", string(w.b))
}

func infoServer(c *Ctx, w *infoWriter) {
	s := c.Server
	version := s.Version
	if s.Engine == "valkey" {
		version = "7.2.4" // Valkey reports the Redis version it is compatible with
	}
	w.line("redis_version", version)
	if s.Engine == "valkey" {
		w.line("server_name", "valkey")
		w.line("valkey_version", s.Version)
		w.line("valkey_release_stage", "ga")
	}
	w.line("redis_git_sha1", "0")
	w.line("redis_git_dirty", 0)
	w.line("redis_build_id", "0")
	if s.Engine == "valkey" {
		w.line("server_mode", s.mode())
	}
	w.line("redis_mode", s.mode())
	pid, system, executable, file := os.Getpid(), runtime.GOOS+" "+runtime.GOARCH, "", ""
	if s.Managed {
		pid, system, executable, file = 1, "Amazon ElastiCache", "-", "-"
	} else if path, err := os.Executable(); err == nil {
		executable = path
	}
	w.line("os", system)
	w.line("arch_bits", strconv.IntSize)
	w.line("monotonic_clock", "POSIX clock_gettime")
	w.line("multiplexing_api", "epoll")
	w.line("gcc_version", "0.0.0")
	w.line("process_id", pid)
	w.line("process_supervised", "no")
	w.line("run_id", s.RunID)
	w.line("tcp_port", s.Host.Port())
	now := s.Clock()
	w.line("server_time_usec", now.UnixMicro())
	uptime := now.Sub(s.Started)
	w.line("uptime_in_seconds", int64(uptime.Seconds()))
	w.line("uptime_in_days", int64(uptime.Hours()/24))
	w.line("hz", min(max(s.Config.Int("hz"), 1), 500))
	w.line("configured_hz", min(max(s.Config.Int("hz"), 1), 500))
	w.line("lru_clock", now.Unix()&(1<<24-1))
	w.line("executable", executable)
	w.line("config_file", file)
	w.line("io_threads_active", 0)
	w.line("availability_zone", s.Config.String("availability-zone"))
}

func infoSSL(c *Ctx, w *infoWriter) {
	s := c.Server
	if s.Host.TLS() {
		w.line("ssl_enabled", "yes")
	} else {
		w.line("ssl_enabled", "no")
	}
	plain, encrypted := 0, 0
	for _, cl := range s.Clients.List() {
		if c.look(cl).tls {
			encrypted++
		} else {
			plain++
		}
	}
	w.line("tls_mode_connected_tcp_clients", plain)
	w.line("tls_mode_connected_tls_clients", encrypted)
}

// clientTotals adds up what clients have in common.
type clientTotals struct {
	normal, replicas            int // but replicas; replicas
	subscribers, watching       int
	mostIn, mostOut             int // bytes
	normalMemory, replicaMemory int // bytes
}

func (c *Ctx) clientTotals() (t clientTotals) {
	for _, cl := range c.Server.Clients.List() {
		s := c.look(cl)
		t.mostIn, t.mostOut = max(t.mostIn, s.in), max(t.mostOut, s.out)
		if s.flags&ClientReplica != 0 {
			t.replicas++
			t.replicaMemory += s.in + s.out
			continue
		}
		t.normal++
		t.normalMemory += s.in + s.out
		if s.channels+s.patterns+s.shards > 0 {
			t.subscribers++
		}
		if s.watch > 0 {
			t.watching++
		}
	}
	return t
}

func infoClients(c *Ctx, w *infoWriter) {
	s := c.Server
	totals := c.clientTotals()
	keys, withDeadline := s.waiting.totals()
	w.line("connected_clients", totals.normal)
	w.line("cluster_connections", 0)
	w.line("maxclients", s.Config.Int("maxclients"))
	w.line("client_recent_max_input_buffer", totals.mostIn)
	w.line("client_recent_max_output_buffer", totals.mostOut)
	w.line("blocked_clients", s.waiting.count.Load())
	w.line("tracking_clients", s.tracking.clients.Load())
	w.line("pubsub_clients", totals.subscribers)
	w.line("watching_clients", totals.watching)
	w.line("clients_in_timeout_table", withDeadline)
	w.line("total_watched_keys", s.watches.keyCount())
	w.line("total_blocking_keys", keys)
	w.line("total_blocking_keys_on_nokey", 0)
}

// residentMemory is what the node takes of the machine's memory. Nodes of a managed service share a process: there it is
// the pages of the node's own heap.
func (s *Server) residentMemory() int64 {
	if !s.Managed {
		if rss := processMemory(); rss > 0 {
			return rss
		}
	}
	return s.Space.ReservedMemory()
}

func infoMemory(c *Ctx, w *infoWriter) {
	s := c.Server
	m := c.memoryStats()
	limit := s.Space.MemoryLimit()
	w.bytes("used_memory", m.used)
	w.bytes("used_memory_rss", m.resident)
	w.bytes("used_memory_peak", m.peak)
	w.line("used_memory_peak_perc", fmt.Sprintf("%.2f%%", percent(m.used, m.peak)))
	w.line("used_memory_overhead", m.overhead)
	w.line("used_memory_startup", 0)
	w.line("used_memory_dataset", m.dataset)
	w.line("used_memory_dataset_perc", fmt.Sprintf("%.2f%%", percent(m.dataset, m.used)))
	w.line("allocator_allocated", m.used)
	w.line("allocator_active", m.reserved)
	w.line("allocator_resident", m.reserved)
	w.line("allocator_muzzy", 0)
	w.bytes("total_system_memory", systemMemory())
	w.line("maxmemory", limit.Max)
	w.line("maxmemory_human", human(limit.Max))
	w.line("maxmemory_policy", s.Config.String("maxmemory-policy"))
	w.line("allocator_frag_ratio", fmt.Sprintf("%.2f", ratio(m.reserved, m.used)))
	w.line("allocator_frag_bytes", max(0, m.reserved-m.used))
	w.line("allocator_rss_ratio", "1.00")
	w.line("allocator_rss_bytes", 0)
	w.line("rss_overhead_ratio", fmt.Sprintf("%.2f", ratio(m.resident, m.reserved)))
	w.line("rss_overhead_bytes", m.resident-m.reserved)
	w.line("mem_fragmentation_ratio", fmt.Sprintf("%.2f", ratio(m.resident, m.used)))
	w.line("mem_fragmentation_bytes", m.resident-m.used)
	w.line("mem_not_counted_for_evict", 0)
	w.line("mem_replication_backlog", m.backlog)
	w.line("mem_total_replication_buffers", m.backlog)
	w.line("mem_clients_slaves", m.replicas)
	w.line("mem_clients_normal", m.clients)
	w.line("mem_cluster_links", 0)
	w.line("mem_aof_buffer", 0)
	if s.Managed {
		w.line("mem_allocator", "jemalloc-5.3.0")
	} else {
		w.line("mem_allocator", "elastane-arena")
	}
	w.line("mem_overhead_db_hashtable_rehashing", 0)
	w.line("active_defrag_running", 0)
	w.line("lazyfree_pending_objects", 0)
	w.line("lazyfreed_objects", 0)
}

func infoPersistence(c *Ctx, w *infoWriter) {
	w.line("loading", btoi(c.Server.Has(StateLoading)))
	w.b = c.Server.Persistence.AppendInfo(w.b)
}

// SyncCounts is what a Replication may have besides, for INFO.
type SyncCounts interface {
	// SyncCounts are the full, partial and refused partial synchronisations that replicas of this node have asked for.
	SyncCounts() (full, partial, refused int64)
}

func infoStats(c *Ctx, w *infoWriter) {
	s := c.Server
	k := s.Space.Stats()
	st := &s.Stats
	w.line("total_connections_received", st.Connections.Load())
	w.line("total_commands_processed", st.Commands.Load())
	w.line("instantaneous_ops_per_sec", st.opsPerSecond.Load())
	w.line("total_net_input_bytes", st.NetInput.Load())
	w.line("total_net_output_bytes", st.NetOutput.Load())
	w.line("instantaneous_input_kbps", fmt.Sprintf("%.2f", float64(st.inputPerSecond.Load())/1024))
	w.line("instantaneous_output_kbps", fmt.Sprintf("%.2f", float64(st.outputPerSecond.Load())/1024))
	w.line("rejected_connections", st.Rejected.Load())
	if r, ok := s.Replication.(SyncCounts); ok {
		full, partial, refused := r.SyncCounts()
		w.line("sync_full", full)
		w.line("sync_partial_ok", partial)
		w.line("sync_partial_err", refused)
	}
	w.line("expired_keys", k.Expired)
	w.line("expired_time_cap_reached_count", st.expireStopped.Load())
	w.line("expire_cycle_cpu_milliseconds", st.expireCycle.Load()/1e6)
	w.line("evicted_keys", k.Evicted)
	w.line("evicted_clients", 0)
	w.line("evicted_scripts", 0)
	w.line("keyspace_hits", k.Hits)
	w.line("keyspace_misses", k.Misses)
	w.line("pubsub_channels", s.PubSub.Len(pubsub.Channel))
	w.line("pubsub_patterns", s.PubSub.Len(pubsub.Pattern))
	w.line("pubsubshard_channels", s.PubSub.Len(pubsub.Shard))
	w.line("latest_fork_usec", 0)
	w.line("total_forks", 0)
	tracked, items, prefixes := s.tracking.counts()
	w.line("tracking_total_keys", tracked)
	w.line("tracking_total_items", items)
	w.line("tracking_total_prefixes", prefixes)
	w.line("unexpected_error_replies", st.Panics.Load())
	w.line("total_error_replies", st.Errors.Load())
	w.line("client_query_buffer_limit_disconnections", st.QueryLimit.Load())
	w.line("client_output_buffer_limit_disconnections", st.OutputLimit.Load())
	w.line("acl_access_denied_auth", st.Denied[acl.DeniedAuth].Load())
	w.line("acl_access_denied_cmd", st.Denied[acl.DeniedCommand].Load())
	w.line("acl_access_denied_key", st.Denied[acl.DeniedKey].Load())
	w.line("acl_access_denied_channel", st.Denied[acl.DeniedChannel].Load())
}

func infoReplication(c *Ctx, w *infoWriter) { w.b = c.Server.Replication.AppendInfo(w.b) }

func infoCPU(_ *Ctx, w *infoWriter) {
	system, user := cpuSeconds()
	w.line("used_cpu_sys", fmt.Sprintf("%.6f", system))
	w.line("used_cpu_user", fmt.Sprintf("%.6f", user))
	w.line("used_cpu_sys_children", "0.000000")
	w.line("used_cpu_user_children", "0.000000")
}

// eachCommand calls fn for the commands that were called or refused, in order of name.
func (s *Server) eachCommand(fn func(spec *Spec, stats *CommandStats)) {
	for _, spec := range s.Table.Specs() {
		for _, x := range append([]*Spec{spec}, spec.Subcommands()...) {
			if stats := s.Stats.Command(x); stats != nil {
				fn(x, stats)
			}
		}
	}
}

func infoCommandStats(c *Ctx, w *infoWriter) {
	c.Server.eachCommand(func(spec *Spec, st *CommandStats) {
		calls, micros, each := st.Calls.Load(), float64(st.Nanos.Load())/1000, 0.0
		if calls > 0 {
			each = micros / float64(calls)
		}
		w.line("cmdstat_"+spec.FullName(), fmt.Sprintf("calls=%d,usec=%.0f,usec_per_call=%.2f,rejected_calls=%d,failed_calls=%d",
			calls, micros, each, st.Rejected.Load(), st.Failed.Load()))
	})
}

func infoErrorStats(c *Ctx, w *infoWriter) {
	codes, counts := c.Server.Stats.kinds.list()
	for _, code := range codes {
		w.line("errorstat_"+code, fmt.Sprintf("count=%d", counts[code]))
	}
}

func infoLatencyStats(c *Ctx, w *infoWriter) {
	if !c.Server.Config.Bool("latency-tracking") {
		return
	}
	shares := strings.Fields(c.Server.Config.String("latency-tracking-info-percentiles"))
	if len(shares) == 0 {
		return
	}
	c.Server.eachCommand(func(spec *Spec, st *CommandStats) {
		if st.Calls.Load() == 0 {
			return
		}
		values := make([]string, len(shares))
		for i, share := range shares {
			p, err := strconv.ParseFloat(share, 64)
			if err != nil {
				return // normalize has let it pass
			}
			values[i] = fmt.Sprintf("p%s=%.3f", strconv.FormatFloat(p, 'g', -1, 64), float64(st.latency.percentile(p))/1000)
		}
		w.line("latency_percentiles_usec_"+spec.FullName(), strings.Join(values, ","))
	})
}

func infoCluster(c *Ctx, w *infoWriter) { w.line("cluster_enabled", btoi(c.Server.Cluster != nil)) }

func infoKeyspace(c *Ctx, w *infoWriter) {
	for db := range c.Server.Databases {
		if keys, expires := c.Server.Space.Keys(db); keys > 0 {
			ttl := int64(0)
			if expires > 0 && !c.Client.Has(ClientExec) { // EXEC holds the stripes that reckoning it takes
				ttl = c.Server.Space.AverageTTL(db, c.Now)
			}
			w.line("db"+strconv.Itoa(db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=%d", keys, expires, ttl))
		}
	}
}

// human writes bytes as Valkey does: 1.50M.
func human(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%dB", n)
	case n < 1<<20:
		return fmt.Sprintf("%.2fK", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.2fM", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%.2fG", float64(n)/(1<<30))
	}
}

func percent(part, whole int64) float64 { return 100 * ratio(part, whole) }

func ratio(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}
