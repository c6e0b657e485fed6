package monitor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
)

// Monitor answers questions about a running server.
type Monitor struct {
	// Engine is what is asked about.
	Engine *engine.Engine

	// Build is what "retort version" says of this program, for the metric retort_build_info and the status.
	Build Build

	// Verdicts, when it is not nil, returns what became of the files in a directory of handlers.
	Verdicts func() []Verdict

	// Capture, when it is not nil, returns how many requests a capture has, and how many it missed.
	Capture func() (written, missed uint64, ok bool)

	// LogLost, when it is not nil, returns how many lines of the log were lost because nobody read them in time.
	LogLost func() uint64

	// Log hears of what goes wrong.
	Log *slog.Logger

	started time.Time
	ready   atomic.Bool
}

// Build is what is known of the program.
type Build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	Wazero  string `json:"wazero,omitempty"`
}

// Verdict is what became of the file of a handler in a directory.
type Verdict struct {
	Handler string    `json:"handler"`
	SHA256  string    `json:"sha256,omitempty"`
	Refused string    `json:"refused,omitempty"` // why it does not serve; "": it does
	When    time.Time `json:"when"`
}

// Ready says whether the server is to get datagrams: it is until it is told to end.
func (m *Monitor) Ready(is bool) {
	if is && m.started.IsZero() {
		m.started = time.Now()
	}
	m.ready.Store(is)
}

// Handler returns what answers HTTP: /metrics, /livez and /readyz.
func (m *Monitor) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "retort_build_info", Help: "Which program this is; always 1.",
		ConstLabels: prometheus.Labels{"version": m.Build.Version, "commit": m.Build.Commit, "go": m.Build.Go, "wazero": m.Build.Wazero},
	})
	build.Set(1)
	registry.MustRegister(build, &collector{m.Engine, m.Verdicts, m.Capture, m.LogLost},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !m.ready.Load() {
			say(w, http.StatusServiceUnavailable, "not ready")
			return
		}
		say(w, http.StatusOK, "ready")
	})
	return mux
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever asked has gone
}

// Serve answers HTTP on a listener with a handler until ctx ends.
func (m *Monitor) Serve(ctx context.Context, l net.Listener, h http.Handler) {
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      20 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(m.Log.Handler(), slog.LevelDebug),
	}
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if s.Shutdown(last) != nil {
			_ = s.Close()
		}
	})
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		m.Log.Error("nobody can ask this server how it is any more, and it goes on", "at", l.Addr(), "error", err)
	}
}

// StatusHandler answers "retort status" on a local socket.
func (m *Monitor) StatusHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(m.Status()) // whoever asked has gone
	})
	return mux
}

// ListenStatus listens on a local socket for those who ask for the status: only this user may. A socket that an ended
// server left there is replaced; one that a running server has is an error.
func ListenStatus(path string) (net.Listener, error) {
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("status socket %s: another server has it", path)
	}
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("status socket %s: there is something else of that name", path)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("status socket: %w", err)
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("status socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("status socket: %w", err), l.Close())
	}
	return l, nil
}
