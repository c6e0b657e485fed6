package wasmhandler_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// TestLoaded has a guest tell what time it was before its first datagram.
func TestLoaded(t *testing.T) {
	loaded := time.Unix(1_800_000_000, 987_654_321)
	m := load(t, "wasi", wasmhandler.Config{Loaded: loaded})
	if !m.Loaded().Equal(loaded) {
		t.Errorf("it was loaded at %v, not %v", m.Loaded(), loaded)
	}
	reply := ask(t, forWorker(t, m), datagram("c\x00"))
	if got := int64(binary.LittleEndian.Uint64(reply[12:])); got != loaded.UnixNano() {
		t.Errorf("the guest was told %d, not %d", got, loaded.UnixNano())
	}
	for _, never := range []time.Time{time.Unix(-1, 0), time.Date(2600, 1, 1, 0, 0, 0, 0, time.UTC)} {
		_, err := wasmhandler.Compile(t.Context(), sample(t, "wasi"), wasmhandler.Config{Loaded: never})
		if err == nil || !strings.Contains(err.Error(), "Config.Loaded") {
			t.Errorf("loaded at %v: %v", never, err)
		}
	}
}

// TestReplay asks a guest that is made of what it was told of time and chance, and asks another the same later.
func TestReplay(t *testing.T) {
	begun := time.Now()
	first := load(t, "wasi", wasmhandler.Config{})
	again := load(t, "wasi", wasmhandler.Config{Seed: first.Seed(), Loaded: first.Loaded()})
	if at := first.Loaded(); at.Before(begun) || at.After(time.Now()) {
		t.Errorf("it was loaded at %v, which was not now", at)
	}
	for range 2 { // workers
		one, other := forWorker(t, first), forWorker(t, again)
		for i, question := range []string{"c\x00", "r", "r", "c\x01"} {
			d := datagram(question)
			d.Time = d.Time.Add(time.Duration(i) * time.Second)
			if was, is := ask(t, one, d), ask(t, other, d); !bytes.Equal(was, is) {
				t.Errorf("%q: it was % x, and is % x", question, was, is)
			}
		}
	}
}

// TestRequestIntact has guests read their request, and write over its first and its last byte.
func TestRequestIntact(t *testing.T) {
	const request, length = 0, 1
	intact := func(c wasmhandler.Config, code wasmgen.Code) bool {
		h := forWorker(t, compile(t, wasmgen.Replying(code.I32(0)), c))
		keeper, ok := core.As[wasmhandler.RequestKeeper](h)
		if !ok {
			t.Fatal("it does not know")
		}
		d := datagram("question")
		ask(t, h, d)
		return keeper.RequestIntact(d.Data)
	}
	store := func(at wasmgen.Code) wasmgen.Code { return at.I32(0).Then(wasmgen.Code{0x3a, 0, 0}) } // i32.store8
	first := store(wasmgen.Code{}.Get(request))
	last := store(wasmgen.Code{}.Get(request).Get(length).Op(wasmgen.Add).I32(-1).Op(wasmgen.Add))
	behind := store(wasmgen.Code{}.Get(request).Get(length).Op(wasmgen.Add))
	none, datagram := wasmhandler.Config{}, wasmhandler.Config{Isolate: wasmhandler.IsolateDatagram}
	for _, tt := range []struct {
		name string
		c    wasmhandler.Config
		code wasmgen.Code
		want bool
	}{
		{"nothing", none, nil, true}, {"behind it", none, behind, true},
		{"first", none, first, false}, {"last", none, last, false},
		{"forgotten", datagram, first, true},
	} {
		if got := intact(tt.c, tt.code); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
