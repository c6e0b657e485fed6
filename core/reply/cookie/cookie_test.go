package cookie_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/coretest"
	"github.com/retort-udp/retort/core/reply"
	"github.com/retort-udp/retort/core/reply/cookie"
)

var (
	secret  = cookie.Key{1, 2, 3}
	other   = cookie.Key{4, 5, 6}
	arrival = time.Date(2026, 11, 22, 13, 40, 0, 123456000, time.UTC)
)

const peer = "192.0.2.1:40000"

// worker is a worker's instance of h.
func worker(t testing.TB, h *cookie.Handler) core.Handler {
	t.Helper()
	w, err := h.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ask(h core.Handler, data []byte, from string, at time.Time) ([]byte, error) {
	return h.Reply(make([]byte, 0, 1500), &core.Datagram{Data: data, From: netip.MustParseAddrPort(from), Time: at})
}

// challenged gets a cookie.
func challenged(t testing.TB, h core.Handler, from string, at time.Time) cookie.Cookie {
	t.Helper()
	b, err := ask(h, cookie.AppendQuestion(nil, cookie.Cookie{}, nil), from, at)
	r, ok := cookie.ParseReply(b)
	if err != nil || !ok || !r.Challenge || len(b) != cookie.HeaderSize {
		t.Fatalf("no challenge but %x, %v", b, err)
	}
	return r.Cookie
}

// The vectors of the reference implementation: a key of the bytes 0 to 15, and input that counts up.
func TestSipHash(t *testing.T) {
	var k cookie.Key
	for i := range k {
		k[i] = byte(i)
	}
	for n, want := range map[int]uint64{
		0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 2: 0x0d6c8009d9a94f5a, 3: 0x85676696d7fb7e2d,
		8: 0x93f5f5799a932462, 15: 0xa129ca6149be45e5, // the last is in the paper's appendix
	} {
		input := make([]byte, n)
		for i := range input {
			input[i] = byte(i)
		}
		if got := cookie.Sum(k, input); got != want {
			t.Errorf("%d bytes: %#x; want %#x", n, got, want)
		}
	}
}

func TestExchange(t *testing.T) {
	h := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret})
	c := challenged(t, h, peer, arrival)
	if made := binary.BigEndian.Uint32(c[:]); int64(made) != arrival.Unix() {
		t.Errorf("the cookie was made at %d", made)
	}
	for _, payload := range []string{"hello", "", strings.Repeat("x", 1400)} {
		b, err := ask(h, cookie.AppendQuestion(nil, c, []byte(payload)), peer, arrival.Add(time.Second))
		r, ok := cookie.ParseReply(b)
		if err != nil || !ok || r.Challenge || string(r.Answer) != payload {
			t.Errorf("%.10q: %.20q, %v", payload, b, err)
		}
	}
}

func TestWhoseCookieAndWhen(t *testing.T) {
	h := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret, Lifetime: 10 * time.Second})
	c := challenged(t, h, peer, arrival)
	flipped := c
	flipped[11] ^= 1
	later := c
	binary.BigEndian.PutUint32(later[:], uint32(arrival.Unix()+5))
	for _, tt := range []struct {
		name   string
		cookie cookie.Cookie
		from   string
		after  time.Duration
		takes  bool
	}{
		{"its owner's", c, peer, 0, true},
		{"as old as may be", c, peer, 10 * time.Second, true},
		{"too old", c, peer, 11 * time.Second, false},
		{"of a clock that is ahead", c, peer, -5 * time.Second, true},
		{"of a clock that is too far ahead", c, peer, -6 * time.Second, false},
		{"another port's", c, "192.0.2.1:40001", 0, false},
		{"another address's", c, "192.0.2.2:40000", 0, false},
		{"another family's", c, "[2001:db8::1]:40000", 0, false},
		{"with another tag", flipped, peer, 0, false},
		{"with another time", later, peer, 6 * time.Second, false},
		{"none", cookie.Cookie{}, peer, 0, false},
	} {
		b, err := ask(h, cookie.AppendQuestion(nil, tt.cookie, []byte("hello")), tt.from, arrival.Add(tt.after))
		if r, ok := cookie.ParseReply(b); err != nil || !ok || r.Challenge == tt.takes {
			t.Errorf("a cookie %s: %x, %v", tt.name, b, err)
		}
	}
	// Another worker takes it, and so does another server with the secret.
	twin := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret, Lifetime: 10 * time.Second})
	if b, _ := ask(twin, cookie.AppendQuestion(nil, c, nil), peer, arrival); len(b) != cookie.AnswerSize {
		t.Errorf("another worker answers %x", b)
	}
}

// The seconds of a cookie are 32 bits wide, which ends in 2106.
func TestTheYear2106(t *testing.T) {
	h := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret})
	end := time.Unix(1<<32-1, 0)
	c := challenged(t, h, peer, end)
	if b, _ := ask(h, cookie.AppendQuestion(nil, c, nil), peer, end.Add(30*time.Second)); len(b) != cookie.AnswerSize {
		t.Errorf("a cookie of before is answered with %x", b)
	}
}

func TestSecretsChange(t *testing.T) {
	old := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: other})
	c := challenged(t, old, peer, arrival)
	both := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret, Previous: other})
	if b, _ := ask(both, cookie.AppendQuestion(nil, c, nil), peer, arrival); len(b) != cookie.AnswerSize {
		t.Errorf("a cookie of the previous secret: %x", b)
	}
	if again := challenged(t, both, peer, arrival); again == c {
		t.Error("a cookie is still made with the previous secret")
	}
	only := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret})
	if b, _ := ask(only, cookie.AppendQuestion(nil, c, nil), peer, arrival); len(b) != cookie.HeaderSize {
		t.Errorf("a cookie of a secret that is gone: %x", b)
	}
}

func TestWhatIsNotAnswered(t *testing.T) {
	h := &cookie.Handler{Inner: reply.Echo{}, Secret: secret}
	w := worker(t, h)
	for _, tt := range []struct {
		data     string
		err      error
		response bool
	}{
		{"", core.ErrMalformed, false},
		{"\xc0\x0c\x1e", core.ErrMalformed, false},
		{"\xc0\x0c\x1e\x00", core.ErrMalformed, false},
		{"\xc0\x0c\x1e\x0012345678901", core.ErrMalformed, false},
		{"\xc0\x0c\x1e\x03123456789012", core.ErrMalformed, false},
		{"The time is 2026-11-22 13:40:00", core.ErrMalformed, false},
		{"\xc0\x0c\x1e\x01123456789012", nil, true},
		{"\xc0\x0c\x1e\x02", nil, true},
	} {
		if b, err := ask(w, []byte(tt.data), peer, arrival); b != nil || !errors.Is(err, tt.err) {
			t.Errorf("%q: %x, %v; want %v", tt.data, b, err, tt.err)
		}
		d := &core.Datagram{Data: []byte(tt.data)}
		if h.IsResponse(d) != tt.response || w.(core.Classifier).IsResponse(d) != tt.response {
			t.Errorf("%q: IsResponse is not %v", tt.data, tt.response)
		}
	}
}

// inner is a handler that does whatever one may do.
type inner struct {
	reply  []byte
	err    error
	closed *bool
}

func (i inner) Reply([]byte, *core.Datagram) ([]byte, error) { return i.reply, i.err }
func (i inner) ForWorker() (core.Handler, error)             { return i, i.err }
func (i inner) Close() error                                 { *i.closed = true; return nil }

func TestInner(t *testing.T) {
	var closed bool
	for _, tt := range []struct {
		name string
		in   core.Handler
		room int
		want []byte
		size int // of the reply, when that is all that counts
		err  error
	}{
		{name: "silence", in: inner{closed: &closed}, room: 100},
		{name: "an empty answer", in: inner{reply: []byte{}, closed: &closed}, room: 100, want: []byte("\xc0\x0c\x1e\x02")},
		{name: "elsewhere", in: inner{reply: []byte("hi"), closed: &closed}, room: 100, want: []byte("\xc0\x0c\x1e\x02hi")},
		{name: "an error", in: core.HandlerFunc(func([]byte, *core.Datagram) ([]byte, error) { return nil, core.Code(-200) }),
			room: 100, err: core.Code(-200)},
		{name: "exactly enough room", in: reply.Echo{}, room: 9, want: []byte("\xc0\x0c\x1e\x02hello")},
		{name: "too little room", in: reply.Echo{}, room: 8, size: 9},
		{name: "no room", in: reply.Echo{}, room: 0, size: 9},
		{name: "room for the header only", in: reply.Echo{}, room: 4, size: 9},
	} {
		h := worker(t, &cookie.Handler{Inner: tt.in, Secret: secret})
		d := &core.Datagram{Data: cookie.AppendQuestion(nil, challenged(t, h, peer, arrival), []byte("hello")),
			From: netip.MustParseAddrPort(peer), Time: arrival}
		got, err := h.Reply(make([]byte, 0, tt.room), d)
		if !errors.Is(err, tt.err) || tt.size != 0 && len(got) != tt.size || tt.size == 0 && !bytes.Equal(got, tt.want) ||
			tt.size == 0 && (got == nil) != (tt.want == nil) {
			t.Errorf("%s: %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
		if c, ok := h.(io.Closer); !ok || c.Close() != nil {
			t.Errorf("%s: it cannot be closed", tt.name)
		}
	}
	if !closed {
		t.Error("the handler behind the challenge was not closed")
	}
	failing := inner{err: errors.New("no worker"), closed: &closed}
	if _, err := (&cookie.Handler{Inner: failing, Secret: secret}).ForWorker(); !errors.Is(err, failing.err) {
		t.Errorf("a handler behind it that fails: %v", err)
	}
}

func TestConfigure(t *testing.T) {
	const good = "secret 000102030405060708090a0b0c0d0e0f\nanswer \"a\\x00b\"\n"
	h := new(cookie.Handler)
	if err := h.Configure([]byte(good + "previous ff000000000000000000000000000000\nlifetime 5m")); err != nil {
		t.Fatal(err)
	}
	if h.Secret[15] != 15 || h.Previous[0] != 0xff || h.Lifetime != 5*time.Minute {
		t.Errorf("%+v", h)
	}
	c := challenged(t, worker(t, h), peer, arrival)
	if b, _ := ask(worker(t, h), cookie.AppendQuestion(nil, c, nil), peer, arrival); string(b) != "\xc0\x0c\x1e\x02a\x00b" {
		t.Errorf("answered %q", b)
	}
	for config, says := range map[string]string{
		"":                                   "has no secret",
		"answer x":                           "has no secret",
		"secret " + strings.Repeat("ab", 16): "nothing to answer",
		"secret 00":                          "line 1: secret: 1 bytes are given: 16 are needed",
		"secret " + strings.Repeat("0", 32):  "line 1: secret: zeros are no secret",
		good + "previous xyz":                "line 3: previous: the bytes must be hexadecimal",
		good + "lifetime 2h":                 "line 3: lifetime: ",
		good + "lifetime 1500ms":             "line 3: lifetime: cookies count in whole seconds",
		good + "port 3":                      "no setting is called",
	} {
		h := new(cookie.Handler)
		if err := h.Configure([]byte(config)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v; want %s", config, err, says)
		}
		if h.Inner != nil || h.Secret != (cookie.Key{}) {
			t.Errorf("%q: the handler was changed to %+v", config, h)
		}
		if _, err := h.ForWorker(); err == nil {
			t.Errorf("%q: there is a worker", config)
		}
	}
	h = &cookie.Handler{Inner: reply.Echo{}}
	if err := h.Configure([]byte(good)); err == nil || !strings.Contains(err.Error(), "takes no text") {
		t.Errorf("a text before another handler: %v", err)
	}
	if b, err := ask(new(cookie.Handler), cookie.AppendQuestion(nil, c, nil), peer, arrival); b != nil || err == nil {
		t.Errorf("without a configuration: %x, %v", b, err)
	}
}

func TestContract(t *testing.T) {
	h := &cookie.Handler{Inner: reply.Echo{}, Secret: secret}
	first := cookie.AppendQuestion(nil, cookie.Cookie{}, nil)
	coretest.TestHandler(t, h, first)
	d := netip.MustParseAddrPort("192.0.2.1:40000") // coretest's peer and time
	b, err := ask(worker(t, h), first, d.String(), arrival)
	r, _ := cookie.ParseReply(b)
	if err != nil || !r.Challenge {
		t.Fatal(b, err)
	}
	coretest.TestHandler(t, h, cookie.AppendQuestion(nil, r.Cookie, []byte("hello")))
}

func TestReplyAllocatesNothing(t *testing.T) {
	h := worker(t, &cookie.Handler{Inner: reply.Echo{}, Secret: secret, Previous: other})
	dst := make([]byte, 0, 1500)
	for _, from := range []string{peer, "[2001:db8::1]:40000"} {
		for _, c := range []cookie.Cookie{{}, challenged(t, h, from, arrival)} {
			d := &core.Datagram{Data: cookie.AppendQuestion(nil, c, []byte("hello")), From: netip.MustParseAddrPort(from), Time: arrival}
			if n := testing.AllocsPerRun(100, func() { h.Reply(dst, d) }); n != 0 {
				t.Errorf("%x: %v allocations", d.Data, n)
			}
		}
	}
}

// Without a cookie nobody is sent more than he sent, and no reply is a question.
func FuzzReply(f *testing.F) {
	f.Add(cookie.AppendQuestion(nil, cookie.Cookie{}, []byte("hello")), int64(0))
	f.Add([]byte("\xc0\x0c\x1e\x01123456789012"), int64(1)<<32)
	h := worker(f, &cookie.Handler{Inner: reply.Fixed{Text: bytes.Repeat([]byte("x"), 1000)}, Secret: secret, Previous: other})
	f.Fuzz(func(t *testing.T, data []byte, seconds int64) {
		before := slices.Clone(data)
		b, err := ask(h, data, peer, time.Unix(seconds, 0))
		if len(b) > len(data) || b != nil && err != nil || !bytes.Equal(before, data) {
			t.Errorf("%x is answered with %x, %v", data, b, err)
		}
		if r, ok := cookie.ParseReply(b); b != nil && (!ok || !r.Challenge || !h.(core.Classifier).IsResponse(&core.Datagram{Data: b})) {
			t.Errorf("%x is answered with %x", data, b)
		}
	})
}

func FuzzConfigure(f *testing.F) {
	f.Add("secret 000102030405060708090a0b0c0d0e0f\nanswer x\nlifetime 1s")
	f.Fuzz(func(t *testing.T, config string) {
		h := new(cookie.Handler)
		if err := h.Configure([]byte(config)); err == nil && (h.Secret == cookie.Key{} || h.Inner == nil) {
			t.Errorf("%q gives %+v", config, h)
		}
	})
}

func ExampleHandler() {
	server, err := (&cookie.Handler{Inner: reply.Length{}, Secret: cookie.Key([]byte("0123456789abcdef"))}).ForWorker()
	if err != nil {
		fmt.Println(err)
		return
	}
	peer, now := netip.MustParseAddrPort("192.0.2.1:40000"), time.Unix(1_800_000_000, 0)
	var c cookie.Cookie
	for range 2 {
		q := cookie.AppendQuestion(nil, c, []byte("hello"))
		b, _ := server.Reply(nil, &core.Datagram{Data: q, From: peer, Time: now})
		r, _ := cookie.ParseReply(b)
		fmt.Printf("challenge %v, answer %q\n", r.Challenge, r.Answer)
		c = r.Cookie
	}
	// Output:
	// challenge true, answer ""
	// challenge false, answer "Your data was 5 bytes long"
}

func BenchmarkReply(b *testing.B) {
	h := worker(b, &cookie.Handler{Inner: reply.Length{}, Secret: secret})
	dst := make([]byte, 0, 1500)
	for name, c := range map[string]cookie.Cookie{"challenge": {}, "answer": challenged(b, h, peer, arrival)} {
		d := &core.Datagram{Data: cookie.AppendQuestion(nil, c, []byte("hello")), From: netip.MustParseAddrPort(peer), Time: arrival}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := h.Reply(dst, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
