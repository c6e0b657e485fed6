package monitor_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/native"
	"github.com/retort-udp/retort/native/cmd/retort/internal/engine"
	"github.com/retort-udp/retort/native/cmd/retort/internal/monitor"
	"github.com/retort-udp/retort/wasmhandler"
)

var silence = slog.New(slog.NewTextHandler(io.Discard, nil))

// running returns a monitor of an engine with two listeners, one of them with a guest.
func running(t *testing.T) (*monitor.Monitor, []*engine.Listener) {
	t.Helper()
	wasm, err := os.ReadFile("../../../../../testdata/handlers/length-c/length.wasm")
	if err != nil {
		t.Fatal(err)
	}
	module, err := wasmhandler.Compile(t.Context(), wasm, wasmhandler.Config{Name: "guest"})
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(silence)
	listeners, err := e.Open(
		engine.Spec{Addresses: []string{"127.0.0.1:0"}, Slot: e.NewSlot("echo", &engine.Handler{Name: "echo", Handler: reply.Echo{}})},
		engine.Spec{Name: "guests", Addresses: []string{"127.0.0.1:0"},
			Slot: e.NewSlot("guest", &engine.Handler{Name: "guest", Version: "1.2", SHA256: strings.Repeat("ab", 32), Handler: module, Module: module})},
	)
	if err != nil {
		t.Fatal(err)
	}
	e.Start(listeners...)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &monitor.Monitor{
		Engine: e, Log: silence,
		Build: monitor.Build{Version: "v1.2.3", Commit: "abc", Go: "go1", Wazero: "v1"},
		Verdicts: func() []monitor.Verdict {
			return []monitor.Verdict{{Handler: "good"}, {Handler: "bad", Refused: "it is no good"}}
		},
		Capture: func() (uint64, uint64, bool) { return 7, 2, true },
		LogLost: func() uint64 { return 3 },
	}
	m.Ready(true)
	return m, listeners
}

// ask asks a listener n times.
func ask(t *testing.T, l *engine.Listener, n int) {
	t.Helper()
	c, err := native.Dial(t.Context(), l.Addresses()[0].String(), native.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range n {
		if _, err := c.Ask(t.Context(), []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
}

func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// The metrics say what happened, under names that Prometheus takes.
func TestMetrics(t *testing.T) {
	m, listeners := running(t)
	ask(t, listeners[0], 3)
	ask(t, listeners[1], 2)
	h := m.Handler()
	deadline := time.Now().Add(30 * time.Second)
	at := listeners[0].Addresses()[0].String()
	want := []string{
		`retort_received_datagrams_total{listener="` + at + `"} 3`,
		`retort_replies_total{listener="` + at + `"} 3`,
		`retort_received_bytes_total{listener="` + at + `"} 15`,
		`retort_received_datagrams_total{listener="guests"} 2`,
		`retort_unanswered_datagrams_total{listener="guests",reason="silent"} 0`,
		`retort_unanswered_datagrams_total{listener="guests",reason="refused_port_zero"} 0`,
		`retort_lost_datagrams_total{direction="in",listener="guests",reason="kernel"} 0`,
		`retort_reply_latency_seconds_count{listener="` + at + `"} 3`,
		`retort_handler_info{handler="echo",kind="built-in",sha256="",version=""} 1`,
		`retort_handler_info{handler="guest",kind="wasm",sha256="` + strings.Repeat("ab", 32) + `",version="1.2"} 1`,
		`retort_handler_faults_total{cause="fuel",handler="guest"} 0`,
		`retort_handler_swaps_total{handler="guest"} 0`,
		`retort_dropin_accepted{handler="good"} 1`,
		`retort_dropin_accepted{handler="bad"} 0`,
		`retort_capture_requests_total{fate="missed"} 2`,
		`retort_log_lost_lines_total 3`,
		`retort_build_info{commit="abc",go="go1",version="v1.2.3",wazero="v1"} 1`,
	}
	// A batch is counted when it has been answered, so the counts may come a moment later than the replies.
	var status int
	var text string
	for {
		missing := ""
		status, text = get(t, h, "/metrics")
		for _, line := range want {
			if !strings.Contains(text, "\n"+line+"\n") {
				missing = line
			}
		}
		if missing == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d: the metrics lack %s:\n%s", status, missing, text)
		}
		runtime.Gosched()
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range families {
		if strings.HasPrefix(name, "retort_") && f.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, metric := range f.Metric {
			for _, label := range metric.Label {
				if regexp.MustCompile(`(?i)peer|client|source|addr`).MatchString(label.GetName()) {
					t.Errorf("%s has a label %s: clients do not make series", name, label.GetName())
				}
			}
		}
	}
}

func TestHealth(t *testing.T) {
	m, _ := running(t)
	h := m.Handler()
	if code, text := get(t, h, "/livez"); code != 200 || text != "alive\n" {
		t.Errorf("/livez: %d %q", code, text)
	}
	if code, text := get(t, h, "/readyz"); code != 200 || text != "ready\n" {
		t.Errorf("/readyz: %d %q", code, text)
	}
	m.Ready(false)
	if code, _ := get(t, h, "/readyz"); code != 503 {
		t.Errorf("/readyz of a server that ends: %d", code)
	}
	if code, _ := get(t, h, "/"); code != 404 {
		t.Errorf("/: %d", code)
	}
}

// The dashboard and the alerts ask for what there is.
func TestDashboardAndAlerts(t *testing.T) {
	m, listeners := running(t)
	ask(t, listeners[0], 1)
	_, metrics := get(t, m.Handler(), "/metrics")
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join("../../packaging/monitoring", file))
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`retort_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) < 4 {
			t.Errorf("%s names %v", file, names)
		}
		for _, name := range names {
			if !strings.Contains(metrics, "\n"+name+"{") {
				t.Errorf("%s asks for %s, which is not there", file, name)
			}
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is no JSON", file)
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed here")
	}
	if out, err := exec.Command(promtool, "check", "rules", "../../packaging/monitoring/alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s", err, out)
	}
}

func skipWithoutLocalSockets(t *testing.T) {
	t.Helper()
	if s, err := net.Listen("unix", filepath.Join(t.TempDir(), "s")); err == nil {
		s.Close()
	} else if errors.Is(err, errors.ErrUnsupported) || runtime.GOOS == "windows" { // Wine has none, and its own error
		t.Skip("this system has no local sockets")
	}
}

// The status goes through a local socket, which only this user may use.
func TestStatus(t *testing.T) {
	skipWithoutLocalSockets(t)
	m, listeners := running(t)
	ask(t, listeners[1], 1)
	dir, err := os.MkdirTemp("", "retort") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	l, err := monitor.ListenStatus(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { m.Serve(ctx, l, m.StatusHandler()); close(ended) }()
	s, err := monitor.AskStatus(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Listeners) != 2 || s.Listeners[1].Name != "guests" || s.Listeners[1].Handler != "guest" ||
		len(s.Handlers) != 2 || s.Handlers[1].Kind != "wasm" || len(s.Files) != 2 || !s.Ready || s.PID != os.Getpid() {
		t.Errorf("%+v", s)
	}
	var text strings.Builder
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, says := range []string{"retort v1.2.3, process", "guests", "wasm", "abababababab ", "bad.wasm", "refused: it is no good", "log lines lost: 3"} {
		if !strings.Contains(text.String(), says) {
			t.Errorf("the status does not say %q:\n%s", says, text.String())
		}
	}
	if _, err := monitor.ListenStatus(path); err == nil || !strings.Contains(err.Error(), "another server has it") {
		t.Errorf("a second server on the socket: %v", err)
	}
	end()
	<-ended
	if _, err := monitor.AskStatus(t.Context(), path); err == nil || !strings.Contains(err.Error(), "no server answers at") {
		t.Errorf("a server that has ended: %v", err)
	}
}

// A socket that was left behind does not hinder the next server, and another file is left alone.
func TestStatusSocketLeftBehind(t *testing.T) {
	skipWithoutLocalSockets(t)
	dir, err := os.MkdirTemp("", "retort")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if err := left.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := monitor.ListenStatus(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := monitor.ListenStatus(file); err == nil || !strings.Contains(err.Error(), "something else of that name") {
		t.Errorf("a file: %v", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
}
