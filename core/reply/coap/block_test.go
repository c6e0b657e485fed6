package coap_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/reply/coap"
)

// szx is the exponent of a block size.
func szx(size int) int { return slices.Index([]int{16, 32, 64, 128, 256, 512, 1024}, size) }

// block2 is an option as RFC 7959 writes it: number, more, size.
func block2(number, more, size int) opt {
	v := number<<4 | more<<3 | szx(size)
	b := []byte{byte(v >> 16), byte(v >> 8), byte(v)}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return opt{23, string(b)}
}

// RFC 7959, section 3.1, has these in its figures 2 to 4: without a wish of the client, with an early one, with a late one.
func TestExamplesOfBlocks(t *testing.T) {
	status := strings.Repeat("x", 350)
	h := &coap.Handler{Block: 128, Resources: []coap.Resource{{Path: "/status", Body: []byte(status)}}}
	s := serve(t, h)
	for _, tt := range []struct {
		ask  *opt
		want opt
		size int
	}{
		{nil, block2(0, 1, 128), 128},
		{new(block2(1, 0, 128)), block2(1, 1, 128), 128},
		{new(block2(2, 0, 128)), block2(2, 0, 128), 94},
		{new(block2(0, 0, 64)), block2(0, 1, 64), 64},
		{new(block2(1, 0, 64)), block2(1, 1, 64), 64},
		{new(block2(5, 0, 64)), block2(5, 0, 64), 30},
		{new(block2(2, 0, 64)), block2(2, 1, 64), 64},
		{new(block2(0, 0, 1024)), block2(0, 1, 128), 128}, // the server's is smaller
		{new(block2(1, 0, 256)), block2(2, 0, 128), 94},   // at the same offset
	} {
		m := msg{code: get, options: path("status")}
		if tt.ask != nil {
			m = m.with(*tt.ask)
		}
		r := s.ask(m)
		if got, _ := r.option(23); got != tt.want.value || len(r.payload) != tt.size || r.code != code(2, 5) {
			t.Errorf("%x: %x with %d bytes; want %x with %d", tt.ask, got, len(r.payload), tt.want.value, tt.size)
		}
	}
	for _, bad := range []opt{block2(3, 0, 128), block2(6, 0, 64), {23, "\xff\xff\xf6"}, {23, "\x07"}} {
		if r := s.ask(msg{code: get, options: append(path("status"), bad)}); r.code != code(4, 0) {
			t.Errorf("%x: %+v; want 4.00", bad.value, r)
		}
	}
	// No more than asked for is sent of what would fit, and the size is told when that is wanted.
	r := s.ask(msg{code: get, options: append(path("status"), block2(0, 0, 32), opt{28, ""})})
	if len(r.payload) != 32 || r.number(28) != 350 {
		t.Errorf("%+v", r)
	}
}

// fetch reads a whole resource block by block, the first of the size given, 0 for the server's choice.
func fetch(t *testing.T, s *server, options []opt, size int) string {
	t.Helper()
	var body strings.Builder
	m := msg{code: get, token: "tokentok", options: options}
	for {
		ask := m
		if size != 0 {
			ask = m.with(block2(body.Len()/size, 0, size))
		}
		r := s.ask(ask)
		if r.code != code(2, 5) {
			t.Fatalf("%+v", r)
		}
		body.WriteString(r.payload)
		v := r.number(23)
		if v < 0 || v&8 == 0 {
			return body.String()
		}
		if size = 16 << (v & 7); len(r.payload) != size {
			t.Fatalf("a block of %d bytes has %d", size, len(r.payload))
		}
	}
}

// Whatever room the replies have, and whatever the client wishes, the whole arrives.
func TestWholeInBlocks(t *testing.T) {
	s := serve(t, handler())
	for _, room := range []int{46, 48, 80, 116, 400, 1100, 5000} {
		s.room = room
		for _, size := range []int{0, 16, 64, 1024} {
			if got := fetch(t, s, path("long"), size); got != long {
				t.Errorf("in replies of %d bytes, with blocks of %d: %d bytes", room, size, len(got))
			}
		}
	}
}

func TestLinks(t *testing.T) {
	const temperature = `</temperature>;rt="temperature-c outdoor";if="sensor";title="Yard";ct=0`
	const lamp = `</lamp>;if="actuator";ct=0`
	const all = temperature + "," + lamp + `,</a/b%20c>;ct=50,</>;ct=0,</long>;ct=42,</empty>;ct=0`
	s := serve(t, handler())
	core := path(".well-known", "core")
	for query, want := range map[string]string{
		"":                  all,
		"href=/lamp":        lamp,
		"href=/l*":          lamp + ",</long>;ct=42",
		"href=/a/b c":       "</a/b%20c>;ct=50",
		"href=*":            all,
		"rt=outdoor":        temperature,
		"rt=temperature-c":  temperature,
		"rt=temp*":          temperature,
		"rt=temp":           "",
		"rt=*":              temperature,
		"if=actuator":       lamp,
		"title=Yard":        temperature,
		"ct=50":             "</a/b%20c>;ct=50",
		"nothing=*":         "",
		"no attribute":      all,
		"href=/l*&ct=42":    "</long>;ct=42",
		"href=/l*&if=s*":    "",
		"title=*&if=sensor": temperature,
	} {
		options := core
		for q := range strings.SplitSeq(query, "&") {
			if q != "" {
				options = append(slices.Clone(options), opt{15, q})
			}
		}
		for _, room := range []int{1500, 80} {
			s.room = room
			if got := fetch(t, s, options, 0); got != want {
				t.Errorf("%q, in %d bytes: %s; want %s", query, room, got, want)
			}
		}
		s.room = 1500
		if r := s.ask(msg{code: get, options: options}); r.number(12) != 40 {
			t.Errorf("%q: the format is %d", query, r.number(12))
		}
	}
	if got := fetch(t, serve(t, new(coap.Handler)), core, 0); got != "" {
		t.Errorf("a server without resources has %q", got)
	}
}

func TestConfigure(t *testing.T) {
	h := new(coap.Handler)
	err := h.Configure([]byte("block 64\nremember 0\nresource /a\nbody \"x\\n\"\nformat 42\ntype t u\ninterface i\n" +
		"title T\nresource /b\nhex 00ff\nwritable 1024"))
	if err != nil {
		t.Fatal(err)
	}
	if h.Block != 64 || h.Remember >= 0 || len(h.Resources) != 2 {
		t.Errorf("%+v", h)
	}
	a, b := h.Resources[0], h.Resources[1]
	if a.Path != "/a" || string(a.Body) != "x\n" || a.Format != 42 || a.Type != "t u" || a.Interface != "i" || a.Title != "T" ||
		a.Writable != 0 || b.Path != "/b" || string(b.Body) != "\x00\xff" || b.Writable != 1024 {
		t.Errorf("%+v", h)
	}
	var many strings.Builder
	for i := range 257 {
		many.WriteString("resource /" + strings.Repeat("x", i%250+1) + strings.Repeat("y", i/250+1) + "\n")
	}
	for config, says := range map[string]string{
		"block 100":                             "line 1: block: want one of 16, 32, 64",
		"block 2048":                            "from 16 to 1024",
		"remember 65537":                        "from 0 to 65536",
		"body x":                                `line 1: body: it is about a resource, and no line "resource" stands above it`,
		"title x":                               "stands above it",
		"resource a":                            `line 1: resource: a path begins with "/"`,
		"resource":                              `a path begins with "/"`,
		"resource /a//b":                        "each segment of a path has 1 to 255 bytes",
		"resource /a/":                          "each segment",
		"resource /" + strings.Repeat("x", 256): "each segment",
		"resource /.well-known/core":            "the links to all resources are there",
		"resource \"/\\xff\"":                   "a path is UTF-8",
		"resource /a\nresource /a":              "line 2: resource: there is one with this path already",
		"resource /a\nbody x\nbody y":           "line 3: body: it is given already in line 2",
		"resource /a\nbody x\nhex 00":           "line 3: hex: the resource has a body already",
		"resource /a\nformat 65536":             "line 2: format: ",
		"resource /a\nwritable 1025":            "from 0 to 1024",
		"resource /a\ntitle a\"b":               "characters that an attribute may not have",
		"resource /a\ntype \"a\\nb\"":           "characters that an attribute may not have",
		many.String():                           "line 257: resource: there are 256 resources already",
	} {
		h := new(coap.Handler)
		if err := h.Configure([]byte(config)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.40q: %v; want %s", config, err, says)
		}
		if len(h.Resources) != 0 || h.Block != 0 || h.Remember != 0 {
			t.Errorf("%.40q: the handler was changed", config)
		}
	}
}

func TestFieldsAreChecked(t *testing.T) {
	for says, h := range map[string]*coap.Handler{
		"no blocks of 100 bytes":                        {Block: 100},
		"too many to remember":                          {Remember: 1 << 17},
		"256 resources already":                         {Resources: make([]coap.Resource, 257)},
		`the resource "a": a path begins`:               {Resources: []coap.Resource{{Path: "a"}}},
		`the resource "/a": there is one`:               {Resources: []coap.Resource{{Path: "/a"}, {Path: "/a"}}},
		"1048577 bytes: the most is":                    {Resources: []coap.Resource{{Path: "/a", Body: make([]byte, 1<<20+1)}}},
		"written with 2000 bytes":                       {Resources: []coap.Resource{{Path: "/a", Writable: 2000}}},
		"characters that an attribute may not have: \"": {Resources: []coap.Resource{{Path: "/a", Title: `"`}}},
	} {
		if _, err := h.ForWorker(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; want %s", err, says)
		}
	}
}

func FuzzConfigure(f *testing.F) {
	f.Add("block 16\nremember 1\nresource /a\nbody x\ntitle t\nwritable 3\nresource /b\nhex 00")
	f.Fuzz(func(t *testing.T, config string) {
		h := new(coap.Handler)
		if h.Configure([]byte(config)) != nil {
			return
		}
		if _, err := h.ForWorker(); err != nil {
			t.Errorf("%q is taken, and then it is not: %v", config, err)
		}
	})
}
