package app

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/elastane/elastane/internal/store"
)

// metrics are what /metrics shows: Go and the process, the requests by operation, and, counted in the
// database at each scrape, jobs, agents and nodes.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	latency  *prometheus.HistogramVec
}

func newMetrics(s *store.Store) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "elastane_requests_total", Help: "Answered API requests by operation and error code.",
		}, []string{"operation", "code"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "elastane_request_duration_seconds", Help: "Time to answer an API request, by operation.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"operation"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests, m.latency, &fleetCollector{store: s},
	)
	return m
}

// observe counts one answered request. code is empty for a success.
func (m *metrics) observe(operation, code string, took time.Duration) {
	m.requests.WithLabelValues(operation, code).Inc()
	m.latency.WithLabelValues(operation).Observe(took.Seconds())
}

func (m *metrics) handler(logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:      slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ErrorHandling: promhttp.ContinueOnError, // the database's part may be missing while it is down
	})
}

var (
	jobsDesc   = prometheus.NewDesc("elastane_jobs", "Jobs in the queue by state.", []string{"state"}, nil)
	agentsDesc = prometheus.NewDesc("elastane_agents", "Known agents by whether they are connected.", []string{"connected"}, nil)
	nodesDesc  = prometheus.NewDesc("elastane_nodes", "Cache nodes by the state that their agent last reported.", []string{"state"}, nil)
)

// fleetCollector counts in the database, at each scrape.
type fleetCollector struct{ store *store.Store }

// Describe implements prometheus.Collector.
func (c *fleetCollector) Describe(out chan<- *prometheus.Desc) {
	out <- jobsDesc
	out <- agentsDesc
	out <- nodesDesc
}

// Collect implements prometheus.Collector.
func (c *fleetCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := store.Q.MetricsCount(ctx, c.store.Pool())
	if err != nil {
		out <- prometheus.NewInvalidMetric(jobsDesc, err)
		return
	}
	descs := map[string]*prometheus.Desc{"job": jobsDesc, "agent": agentsDesc, "node": nodesDesc}
	for _, row := range counts {
		out <- prometheus.MustNewConstMetric(descs[row.Thing], prometheus.GaugeValue, float64(row.Count), row.State)
	}
}
