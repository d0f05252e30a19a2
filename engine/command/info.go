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
	"github.com/elastane/elastane/engine/keyspace"
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
	{name: "Cluster", append: infoCluster},
	{name: "Keyspace", append: infoKeyspace},
}

// infoWriter builds INFO's text.
type infoWriter struct{ b []byte }

func (w *infoWriter) line(name string, value any) {
	w.b = fmt.Appendf(w.b, "%s:%v\r\n", name, value)
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
	w.line(s.Engine+"_mode", s.mode())
	if s.Engine == "valkey" {
		w.line("redis_mode", s.mode())
	}
	pid, system, executable := os.Getpid(), runtime.GOOS+" "+runtime.GOARCH, ""
	if s.Managed {
		pid, system, executable = 1, "Amazon ElastiCache", "-"
	}
	w.line("os", system)
	w.line("arch_bits", strconv.IntSize)
	w.line("monotonic_clock", "POSIX clock_gettime")
	w.line("multiplexing_api", "epoll")
	w.line("gcc_version", "0.0.0")
	w.line("process_id", pid)
	w.line("run_id", s.RunID)
	w.line("tcp_port", s.Host.Port())
	now := s.Clock()
	w.line("server_time_usec", now.UnixMicro())
	uptime := now.Sub(s.Started)
	w.line("uptime_in_seconds", int64(uptime.Seconds()))
	w.line("uptime_in_days", int64(uptime.Hours()/24))
	w.line("hz", s.Config.Int("hz"))
	w.line("configured_hz", s.Config.Int("hz"))
	w.line("lru_clock", now.Unix()&(1<<24-1))
	w.line("executable", executable)
	if s.Managed {
		w.line("config_file", "-")
	} else {
		w.line("config_file", "")
	}
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

func infoClients(c *Ctx, w *infoWriter) {
	s := c.Server
	w.line("connected_clients", s.Clients.Len())
	w.line("cluster_connections", 0)
	w.line("maxclients", s.Config.Int("maxclients"))
	w.line("client_recent_max_input_buffer", 0)
	w.line("client_recent_max_output_buffer", 0)
	w.line("blocked_clients", s.waiting.count.Load())
	w.line("tracking_clients", s.tracking.clients.Load())
	w.line("pubsub_clients", 0)
	w.line("watching_clients", 0)
	w.line("clients_in_timeout_table", 0)
	w.line("total_watched_keys", s.watches.count.Load())
	w.line("total_blocking_keys", 0)
}

func infoMemory(c *Ctx, w *infoWriter) {
	s := c.Server
	used := s.Space.UsedMemory()
	limit := s.Space.MemoryLimit()
	w.line("used_memory", used)
	w.line("used_memory_human", human(used))
	w.line("used_memory_rss", used)
	w.line("used_memory_rss_human", human(used))
	w.line("used_memory_peak", used)
	w.line("used_memory_peak_human", human(used))
	w.line("used_memory_dataset", used)
	w.line("maxmemory", limit.Max)
	w.line("maxmemory_human", human(limit.Max))
	w.line("maxmemory_policy", s.Config.String("maxmemory-policy"))
	w.line("allocator_frag_ratio", "1.00")
	w.line("mem_fragmentation_ratio", "1.00")
	w.line("mem_fragmentation_bytes", 0)
	w.line("mem_not_counted_for_evict", 0)
	w.line("mem_clients_slaves", 0)
	w.line("mem_clients_normal", 0)
	w.line("mem_aof_buffer", 0)
	if s.Managed {
		w.line("mem_allocator", "jemalloc-5.3.0")
	} else {
		w.line("mem_allocator", "elastane-arena")
	}
	w.line("active_defrag_running", 0)
	w.line("lazyfree_pending_objects", 0)
}

func infoPersistence(c *Ctx, w *infoWriter) { w.b = c.Server.Persistence.AppendInfo(w.b) }

func infoStats(c *Ctx, w *infoWriter) {
	s := c.Server
	k := s.Space.Stats()
	w.line("total_connections_received", s.Stats.Connections.Load())
	w.line("total_commands_processed", s.Stats.Commands.Load())
	w.line("instantaneous_ops_per_sec", s.Stats.opsPerSecond.Load())
	w.line("total_net_input_bytes", s.Stats.NetInput.Load())
	w.line("total_net_output_bytes", s.Stats.NetOutput.Load())
	w.line("rejected_connections", s.Stats.Rejected.Load())
	w.line("expired_keys", k.Expired)
	w.line("evicted_keys", k.Evicted)
	w.line("keyspace_hits", k.Hits)
	w.line("keyspace_misses", k.Misses)
	w.line("pubsub_channels", s.PubSub.Len(0))
	w.line("pubsub_patterns", s.PubSub.Len(1))
	w.line("pubsubshard_channels", s.PubSub.Len(2))
	w.line("latest_fork_usec", 0)
	w.line("total_forks", 0)
	keys, items, prefixes := s.tracking.counts()
	w.line("tracking_total_keys", keys)
	w.line("tracking_total_items", items)
	w.line("tracking_total_prefixes", prefixes)
	w.line("unexpected_error_replies", s.Stats.Panics.Load())
	w.line("total_error_replies", s.Stats.Errors.Load())
	w.line("acl_access_denied_auth", s.Stats.Denied[acl.DeniedAuth].Load())
	w.line("acl_access_denied_cmd", s.Stats.Denied[acl.DeniedCommand].Load())
	w.line("acl_access_denied_key", s.Stats.Denied[acl.DeniedKey].Load())
	w.line("acl_access_denied_channel", s.Stats.Denied[acl.DeniedChannel].Load())
	w.line("client_output_buffer_limit_disconnections", s.Stats.OutputLimit.Load())
}

func infoReplication(c *Ctx, w *infoWriter) { w.b = c.Server.Replication.AppendInfo(w.b) }

func infoCPU(_ *Ctx, w *infoWriter) {
	system, user := cpuSeconds()
	w.line("used_cpu_sys", fmt.Sprintf("%.6f", system))
	w.line("used_cpu_user", fmt.Sprintf("%.6f", user))
	w.line("used_cpu_sys_children", "0.000000")
	w.line("used_cpu_user_children", "0.000000")
}

func infoCommandStats(c *Ctx, w *infoWriter) {
	for _, spec := range c.Server.Table.Specs() {
		for _, s := range append([]*Spec{spec}, spec.Subcommands()...) {
			if calls := c.Server.Stats.Calls(s); calls > 0 {
				w.line("cmdstat_"+s.FullName(), fmt.Sprintf("calls=%d", calls))
			}
		}
	}
}

func infoErrorStats(*Ctx, *infoWriter) {}

func infoCluster(c *Ctx, w *infoWriter) {
	enabled := 0
	if c.Server.Cluster != nil {
		enabled = 1
	}
	w.line("cluster_enabled", enabled)
}

func infoKeyspace(c *Ctx, w *infoWriter) {
	for db := range c.Server.Databases {
		if keys, expires := c.Server.Space.Keys(db); keys > 0 {
			w.line("db"+strconv.Itoa(db), fmt.Sprintf("keys=%d,expires=%d,avg_ttl=0", keys, expires))
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

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}

// Tick does what a node has to do from time to time; the engine calls it about ten times a second, off the
// commands' path. It frees what has expired, ends a pause, and measures the rate of commands.
func (s *Server) Tick() {
	now := s.Clock()
	s.unpauseIfOver(now)
	s.Stats.measure(now)
	s.keeping.RLock()
	defer s.keeping.RUnlock()
	mode := s.ExpiryMode()
	if mode != keyspace.ExpiryDelete && s.Has(StateReplica) {
		mode = keyspace.ExpiryHide
	}
	if s.Has(StateLoading | StateClosed) {
		return
	}
	s.Space.ExpireStep(now.UnixMilli(), mode, expireBudget)
}
