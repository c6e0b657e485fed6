package wasmhandler_test

import (
	"encoding/binary"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/wasmhandler"
	"github.com/retort-udp/retort/wasmhandler/internal/wasmgen"
)

// TestCodes has guests return codes of their own, which are counted one by one, those of workers that are gone included.
func TestCodes(t *testing.T) {
	m := load(t, "result", wasmhandler.Config{})
	returns := func(h core.Handler, code core.Code) {
		t.Helper()
		_, err := h.Reply(room(1), datagram(string(binary.LittleEndian.AppendUint32(nil, uint32(code)))))
		if got, ok := errors.AsType[core.Code](err); !ok || got != code {
			t.Fatalf("code %d is %v", code, err)
		}
	}
	check := func(all uint64, want map[core.Code]uint64) {
		t.Helper()
		if got := m.Codes(); !maps.Equal(got, want) || m.Stats().Codes != all {
			t.Errorf("%v, %d in all; want %v, %d", got, m.Stats().Codes, want, all)
		}
	}
	check(0, map[core.Code]uint64{})
	gone, err := m.ForWorker()
	if err != nil {
		t.Fatal(err)
	}
	stays := forWorker(t, m)
	for _, h := range []core.Handler{gone, stays} {
		for _, code := range []core.Code{-100, -164, -100, -1 << 31} { // the first two would have one place
			returns(h, code)
		}
	}
	want := map[core.Code]uint64{-100: 4, -164: 2, -1 << 31: 2}
	check(8, want)
	closeHandler(t, gone)
	check(8, want)

	const many = 5000
	for i := range many { // of which not all are told apart
		returns(stays, core.Code(-1000-i))
	}
	got := m.Codes()
	if n := m.Stats().Codes; n != 8+many || len(got) > 100 || got[-100] != 4 {
		t.Errorf("%d in all, %d told apart, %d times -100", n, len(got), got[-100])
	}
}

// TestRefusedWindow has a guest say why it gives no window.
func TestRefusedWindow(t *testing.T) {
	const level, text = 8, "no room for a window"
	m := new(wasmgen.Module)
	log := m.Import("retort_v1", "log", "iii", "")
	m.Memory(1)
	m.Data(16, []byte(text))
	m.Export("memory", wasmgen.KindMemory, 0)
	m.ExportFunction("retort_v1_reply", wasmgen.ReplyParams, "i", wasmgen.Code{}.I32(0))
	m.ExportFunction("retort_v1_window", "i", "i", wasmgen.Code{}.I32(level).I32(16).I32(int32(len(text))).Call(log).I32(0))
	_, err := wasmhandler.Compile(t.Context(), m.Bytes(), wasmhandler.Config{})
	f, ok := errors.AsType[*wasmhandler.Fault](err)
	if !ok || f.Cause != wasmhandler.CauseWindow || f.Said != text || !strings.HasSuffix(err.Error(), `bytes: "`+text+`"`) {
		t.Errorf("%+v: %v", f, err)
	}
}
