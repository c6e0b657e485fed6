package syslog_test

import (
	"errors"
	"io"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply/syslog"
)

// The examples of RFC 5424, section 6.5, and of RFC 3164, section 5.4, and then what loggers send.
var messages = []struct {
	text     string
	facility uint8
	severity uint8
	format   syslog.Format
}{
	{"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8",
		4, 2, syslog.RFC5424},
	{"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.", 20, 5, syslog.RFC5424},
	{"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=" +
		"\"Application\" eventID=\"1011\"] \xef\xbb\xbfAn application event log entry...", 20, 5, syslog.RFC5424},
	{"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut=\"3\" eventSource=" +
		"\"Application\" eventID=\"1011\"][examplePriority@32473 class=\"high\"]", 20, 5, syslog.RFC5424},
	{"<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8", 4, 2, syslog.RFC3164},
	{"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", 1, 5, syslog.RFC3164},
	{"<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.", 20, 5, syslog.RFC3164},
	{"<0>1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!", 0, 0, syslog.Bare},
	{"<13>1 - - - - - -", 1, 5, syslog.RFC5424},
	{"<191>1 2024-02-29T00:00:00+23:59 h a p m [a][b c=\"\"] ", 23, 7, syslog.RFC5424},
	{`<14>1 - h a p m [a b="\"\]\\\x" c="é"]`, 1, 6, syslog.RFC5424},
	{"<14>1 - h a p m " + strings.Repeat("[a"+strings.Repeat(` b="c"`, 64)+"]", 64), 1, 6, syslog.RFC5424},
	{"<14>Feb 29 00:00:00 h t: leap", 1, 6, syslog.RFC3164},
	{"<14>x", 1, 6, syslog.Bare},
	{"<14>Oct 32 00:00:00 h", 1, 6, syslog.Bare},
	{"<14>Okt 12 00:00:00 h", 1, 6, syslog.Bare},
	{"<14>2 2003-10-11T22:14:15.003Z h a p m -", 1, 6, syslog.Bare}, // of a version that there is not
}

var malformed = []string{
	"", "<", "<13", "<13>", "<>x", "13>x", "<192>x", "<999>x", "<013>x", "<00>x", "<1a>x", "<-1>x", "<+1>x", "< 1>x", "<1000>x",
	"hello", "Use the BFG!",
	"<14>1 ", "<14>1 -", "<14>1 - h a p m", "<14>1 - h a p m ", "<14>1  h a p m -",
	"<14>1 2003-10-11T22:14:15Z h a p m x", "<14>1 - h a p m -x", "<14>1 - h a p m [a]x",
	"<14>1 2003-13-11T22:14:15Z h a p m -", "<14>1 2003-02-29T22:14:15Z h a p m -", "<14>1 2003-10-00T22:14:15Z h a p m -",
	"<14>1 2003-10-11t22:14:15Z h a p m -", "<14>1 2003-10-11T22:14:15z h a p m -", "<14>1 2003-10-11T22:14:15 h a p m -",
	"<14>1 2003-10-11T24:00:00Z h a p m -", "<14>1 2003-10-11T22:60:15Z h a p m -", "<14>1 2003-10-11T22:14:60Z h a p m -",
	"<14>1 2003-10-11T22:14:15.Z h a p m -", "<14>1 2003-10-11T22:14:15.0000003Z h a p m -", "<14>1 2003-10-11T22:14:15+24:00 h a p m -",
	"<14>1 2003-10-11T22:14:15+0100 h a p m -",
	"<14>1 - h\x01 a p m -", "<14>1 - hé a p m -", "<14>1 - " + strings.Repeat("h", 256) + " a p m -",
	"<14>1 - h " + strings.Repeat("a", 49) + " p m -", "<14>1 - h a " + strings.Repeat("p", 129) + " m -",
	"<14>1 - h a p " + strings.Repeat("m", 33) + " -",
	"<14>1 - h a p m []", "<14>1 - h a p m [a", "<14>1 - h a p m [a ]", "<14>1 - h a p m [a b]", "<14>1 - h a p m [a b=c]",
	`<14>1 - h a p m [a b="c]`, `<14>1 - h a p m [a b="]"]`, `<14>1 - h a p m [a b="c"d="e"]`, "<14>1 - h a p m [a b=\"\xff\"]",
	"<14>1 - h a p m " + strings.Repeat("[a]", 65), "<14>1 - h a p m [a" + strings.Repeat(` b="c"`, 65) + "]",
	`<14>1 - h a p m [a  b="c"]`, "<14>1 - h a p m [" + strings.Repeat("a", 33) + "]", `<14>1 - h a p m [a b="\`,
}

func TestParse(t *testing.T) {
	for _, tt := range messages {
		want := syslog.Message{Facility: tt.facility, Severity: tt.severity, Format: tt.format}
		if m, ok := syslog.Parse([]byte(tt.text)); !ok || m != want {
			t.Errorf("%q: %+v, %v; want %+v", tt.text, m, ok, want)
		}
	}
	for _, text := range malformed {
		if m, ok := syslog.Parse([]byte(text)); ok {
			t.Errorf("%q: %+v", text, m)
		}
	}
}

var arrival = time.Date(2026, 11, 22, 13, 40, 0, 0, time.UTC)

// send gives a worker a datagram.
func send(t testing.TB, w core.Handler, text string, at time.Time, want error) {
	t.Helper()
	d := &core.Datagram{Data: []byte(text), From: netip.MustParseAddrPort("192.0.2.1:514"), Time: at}
	if b, err := w.Reply([]byte{}, d); b != nil || !errors.Is(err, want) {
		t.Errorf("%q: %q, %v; want %v", text, b, err, want)
	}
}

func worker(t testing.TB, h *syslog.Handler) core.Handler {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func closeWorker(t testing.TB, w core.Handler) {
	t.Helper()
	if err := w.(io.Closer).Close(); err != nil {
		t.Error(err)
	}
}

func TestStats(t *testing.T) {
	h := new(syslog.Handler)
	a, b := worker(t, h), worker(t, h)
	var want syslog.Stats
	for i, tt := range messages {
		send(t, []core.Handler{a, b}[i%2], tt.text, arrival, nil)
		want.Formats[tt.format]++
		want.Severities[tt.severity]++
		want.Facilities[tt.facility]++
		want.Bytes += uint64(len(tt.text))
	}
	for _, text := range malformed {
		send(t, a, text, arrival, core.ErrMalformed)
		want.Malformed++
	}
	if got := h.Stats(); got != want || got.Messages() != uint64(len(messages)) {
		t.Errorf("%+v; want %+v", got, want)
	}
	closeWorker(t, a)
	closeWorker(t, a) // once more changes nothing
	if got := h.Stats(); got != want {
		t.Errorf("after a worker's end: %+v; want %+v", got, want)
	}
	if _, err := h.Reply(nil, &core.Datagram{}); err == nil {
		t.Error("the handler itself answers")
	}
}

// Stats may be read while workers count; the race detector looks on.
func TestStatsMeanwhile(t *testing.T) {
	h := new(syslog.Handler)
	var workers sync.WaitGroup
	for range 3 {
		w := worker(t, h)
		workers.Go(func() {
			for range 1000 {
				send(t, w, "<14>x", arrival, nil)
			}
			closeWorker(t, w)
		})
	}
	for range 100 {
		if s := h.Stats(); s.Messages() > 3000 {
			t.Error(s)
		}
	}
	workers.Wait()
	if s := h.Stats(); s.Messages() != 3000 || s.Severities[6] != 3000 {
		t.Error(s)
	}
}

func TestReports(t *testing.T) {
	const early = "syslog: 1 messages, 5 bytes, 1 malformed; info 1"
	const late = "syslog: 2 messages, 10 bytes, 1 malformed; emerg 1, info 1"
	for config, want := range map[string]string{
		"": late, "report 10s": late, "report 2s": early + "\n" + late, "report 0s": "",
	} {
		h := new(syslog.Handler)
		if err := h.Configure([]byte(config)); err != nil {
			t.Fatal(err)
		}
		var lines []string
		h.ReportTo(func(line string) { lines = append(lines, line) })
		w := worker(t, h)
		for _, m := range []struct {
			text  string
			after time.Duration
			err   error
		}{{"<14>x", 0, nil}, {"hello", 3 * time.Second, core.ErrMalformed}, {"<0>yy", 13 * time.Second, nil}} {
			send(t, w, m.text, arrival.Add(m.after), m.err)
			w.(core.Idler).Idle()
			w.(core.Idler).Idle()
		}
		closeWorker(t, w)
		if got := strings.Join(lines, "\n"); got != want {
			t.Errorf("%q: %s; want %s", config, got, want)
		}
	}
	h := new(syslog.Handler)
	if err := h.Configure([]byte("report never")); err == nil || !strings.Contains(err.Error(), "line 1: report: ") {
		t.Error(err)
	}
}

// What came last is reported at the end.
func TestLastReport(t *testing.T) {
	var line string
	h := new(syslog.Handler)
	h.ReportTo(func(text string) { line = text })
	w := worker(t, h)
	send(t, w, "<14>x", arrival, nil)
	closeWorker(t, w)
	if line != "syslog: 1 messages, 5 bytes, 0 malformed; info 1" {
		t.Errorf("%q", line)
	}
}

func TestContract(t *testing.T) {
	coretest.TestHandler(t, new(syslog.Handler), []byte(messages[2].text), []byte(messages[4].text))
}

func TestReplyAllocatesNothing(t *testing.T) {
	w := worker(t, new(syslog.Handler))
	for _, tt := range messages {
		d := &core.Datagram{Data: []byte(tt.text), Time: arrival}
		if n := testing.AllocsPerRun(100, func() { w.Reply(nil, d) }); n != 0 {
			t.Errorf("%q: %v allocations", tt.text, n)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, tt := range messages {
		f.Add([]byte(tt.text))
	}
	for _, text := range malformed {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, ok := syslog.Parse(b)
		if ok && (m.Facility > 23 || m.Severity > 7 || m.Format > syslog.Bare) {
			t.Errorf("%q: %+v", b, m)
		}
		// A message may have anything behind it, if that does not make a version of its text.
		if _, again := syslog.Parse(append(b[:len(b):len(b)], " tail"...)); ok && !again && b[len(b)-1] != '1' {
			t.Errorf("%q is a message, but not with something behind it", b)
		}
	})
}

func BenchmarkReply(b *testing.B) {
	w := worker(b, new(syslog.Handler))
	for name, text := range map[string]string{"5424": messages[2].text, "3164": messages[4].text} {
		d := &core.Datagram{Data: []byte(text), Time: arrival}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := w.Reply(nil, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
