package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/retort-udp/retort/core"
	"github.com/retort-udp/retort/core/guard"
	"github.com/retort-udp/retort/core/server"
	"github.com/retort-udp/retort/native/cmd/retort/internal/capture"
)

var (
	client4 = netip.MustParseAddrPort("192.0.2.9:40000")
	server4 = netip.MustParseAddrPort("192.0.2.1:1060")
	client6 = netip.MustParseAddrPort("[2001:db8::9]:40000")
	server6 = netip.MustParseAddrPort("[2001:db8::1]:1060")
	noon    = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
)

// open begins a capture.
func open(path string, size int64, log *slog.Logger) (*capture.Capture, error) {
	c, err := capture.New(path, size, log)
	if err != nil {
		return nil, err
	}
	return c, c.Begin(false)
}

// begin begins a capture, and returns what observes for it and what ends it.
func begin(t *testing.T, path string, size int64) (observe func(*server.Observation), end func()) {
	t.Helper()
	c, err := open(path, size, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return c.Observer(func() string { return "a \"handler\"\n" }), func() {
		t.Helper()
		if err := c.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// observations are one of each kind, over both versions of IP.
func observations() []*server.Observation {
	at := func(from, to netip.AddrPort, data string) *core.Datagram {
		return &core.Datagram{From: from, To: to, Data: []byte(data), Time: noon}
	}
	return []*server.Observation{
		{Datagram: at(client4, server4, "hello"), Outcome: server.Replied, Reply: []byte("world")},
		{Datagram: at(client6, server6, ""), Outcome: server.Replied, Reply: []byte{}},
		{Datagram: at(client4, server4, "quiet"), Outcome: server.Silent},
		{Datagram: at(client4, server4, "no"), Outcome: server.Refused, Verdict: guard.Rate},
		{Datagram: at(client6, server6, "code"), Outcome: server.Coded, Err: core.Code(-123)},
		{Datagram: at(client4, server4, "bad"), Outcome: server.Fault, Err: errors.New("x")},
		{Datagram: at(client4, server4, strings.Repeat("x", core.MaxPayload4)), Outcome: server.Malformed, Err: core.ErrMalformed},
		{Datagram: at(client6, server6, strings.Repeat("x", core.MaxPayload6)), Outcome: server.Oversize},
	}
}

// What is written is read back, with what became of it.
func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "all.pcapng")
	observe, end := begin(t, path, capture.DefaultSize)
	for _, o := range observations() {
		observe(o)
	}
	end()
	f, err := capture.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := []string{"replied", "replied", "silent", "refused: rate", "code -123", "fault", "malformed", "oversize"}
	var got []capture.Packet = f.Packets
	for i, o := range observations() {
		want := capture.Packet{From: o.Datagram.From, To: o.Datagram.To, Time: noon, Data: o.Datagram.Data,
			Request: uint64(i + 1), Outcome: outcomes[i]}
		if len(got) == 0 || !same(got[0], want) {
			t.Fatalf("request %d is %.200v, want %.200v", i+1, got, want)
		}
		got = got[1:]
		if o.Reply == nil {
			continue
		}
		want = capture.Packet{From: o.Datagram.To, To: o.Datagram.From, Time: noon, Data: o.Reply, Request: uint64(i + 1), Reply: true}
		if len(got) == 0 || !same(got[0], want) {
			t.Fatalf("reply %d is %.200v, want %.200v", i+1, got, want)
		}
		got = got[1:]
	}
	if len(got) != 0 || f.Skipped != 0 {
		t.Errorf("beside that there are %v, and %d that were skipped", got, f.Skipped)
	}
}

func same(a, b capture.Packet) bool {
	equal := bytes.Equal(a.Data, b.Data) && a.Time.Equal(b.Time)
	a.Data, b.Data, a.Time, b.Time = nil, nil, time.Time{}, time.Time{}
	return equal && fmt.Sprint(a) == fmt.Sprint(b)
}

// Wireshark's own reader shows the same, finds nothing malformed, and right checksums.
func TestTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed here")
	}
	path := filepath.Join(t.TempDir(), "all.pcapng")
	observe, end := begin(t, path, capture.DefaultSize)
	for _, o := range observations()[:6] {
		observe(o)
	}
	end()
	out, err := exec.Command(tshark, "-r", path, "-o", "udp.check_checksum:TRUE", "-d", "udp.port==1060,data",
		"-T", "fields", "-E", "separator=|", "-e", "ip.src", "-e", "ipv6.src", "-e", "udp.srcport", "-e", "udp.dstport",
		"-e", "udp.length", "-e", "udp.checksum.status", "-e", "frame.comment", "-e", "frame.time_epoch").Output()
	if err != nil {
		t.Fatal(err)
	}
	epoch := "|1795348800.123456789"
	want := []string{
		`192.0.2.9||40000|1060|13|1|request 1, handler "a \"handler\"\n", replied` + epoch,
		`192.0.2.1||1060|40000|13|1|reply 1` + epoch,
		`|2001:db8::9|40000|1060|8|1|request 2, handler "a \"handler\"\n", replied` + epoch,
		`|2001:db8::1|1060|40000|8|1|reply 2` + epoch,
		`192.0.2.9||40000|1060|13|1|request 3, handler "a \"handler\"\n", silent` + epoch,
		`192.0.2.9||40000|1060|10|1|request 4, handler "a \"handler\"\n", refused: rate` + epoch,
		`|2001:db8::9|40000|1060|12|1|request 5, handler "a \"handler\"\n", code -123` + epoch,
		`192.0.2.9||40000|1060|11|1|request 6, handler "a \"handler\"\n", fault` + epoch,
	}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("tshark shows\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// fill has c write n datagrams of 1,004 bytes that begin with their numbers, no faster than it can, and closes it.
func fill(t *testing.T, c *capture.Capture, n int) {
	t.Helper()
	observe := c.Observer(func() string { return "x" })
	for i := range n {
		observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Time: noon,
			Data: fmt.Appendf(nil, "%4d%s", i, strings.Repeat("x", 1000))}, Outcome: server.Silent})
		for written, missed := c.Counts(); i%100 == 0 && written+missed < uint64(i); written, missed = c.Counts() {
			time.Sleep(time.Millisecond) // until the writer has caught up
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if written, missed := c.Counts(); written != uint64(n) || missed != 0 {
		t.Errorf("%d were written and %d missed", written, missed)
	}
}

// room returns the files of a directory, and how many bytes they take.
func room(t *testing.T, dir string) (files []os.DirEntry, size int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	return files, size
}

// However long it runs, a capture takes no more room than it was given, and keeps what is newest.
func TestRing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ring.pcapng")
	const size = 1 << 20
	c, err := open(path, size, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	const n = 5000
	fill(t, c, n)
	files, total := room(t, dir)
	if len(files) != 2 {
		t.Fatal(files)
	}
	if total > size || total < size/2 {
		t.Errorf("%d bytes, want up to %d", total, size)
	}
	older, err := capture.Read(filepath.Join(dir, "ring.older.pcapng"))
	if err != nil {
		t.Fatal(err)
	}
	newer, err := capture.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	all := append(older.Packets, newer.Packets...)
	for i, p := range all {
		if want := fmt.Sprintf("%4d", n-len(all)+i); !strings.HasPrefix(string(p.Data), want) {
			t.Fatalf("packet %d of %d begins %.4q, want %q", i, len(all), p.Data, want)
		}
	}
}

// A successor sets the file aside and makes its own. When it fails, the file of the process that goes on is in its place
// again, and what it writes after that, too.
func TestReclaim(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no successors here, for an open file cannot be set aside")
	}
	dir := t.TempDir()
	path, older := filepath.Join(dir, "c.pcapng"), filepath.Join(dir, "c.older.pcapng")
	c, err := open(path, capture.DefaultSize, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	observe := c.Observer(func() string { return "x" })
	next := func(n uint64) {
		t.Helper()
		observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Time: noon}, Outcome: server.Silent})
		for written, missed := c.Counts(); written < n; written, missed = c.Counts() {
			if missed > 0 {
				t.Fatalf("%d are written, and %d missed", written, missed)
			}
			time.Sleep(time.Millisecond)
		}
	}
	next(1)
	successor, err := capture.New(path, capture.DefaultSize, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	if f, err := capture.Read(path); err != nil || len(f.Packets) != 1 {
		t.Errorf("a successor that has not begun has touched the file: %v, %v", f, err)
	}
	if err := errors.Join(successor.Begin(true), successor.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	if f, err := capture.Read(older); err != nil || len(f.Packets) != 1 {
		t.Errorf("set aside are %v, %v", f, err)
	}
	next(2)
	c.Reclaim()
	next(3)
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if f, err := capture.Read(path); err != nil || len(f.Packets) != 3 {
		t.Errorf("reclaimed are %v, %v", f, err)
	}
	if _, err := os.Stat(older); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the older file is still there: %v", err)
	}
}

// A ring that turns leaves alone what another process has put in its place, and what it was moved to.
func TestRingElsewhere(t *testing.T) {
	const size = 1 << 20
	for name, tt := range map[string]struct {
		before func(path string) error
		theirs string // holds this in the end, beside the ring
		text   string
	}{
		"a successor's file": {func(path string) error {
			return errors.Join(os.Rename(path, path+".old"), os.WriteFile(path, []byte("theirs"), 0o600))
		}, "c.pcapng", "theirs"},
		"taken away": {func(path string) error { return os.Rename(path, path+".old") }, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "c.pcapng")
			c, err := open(path, size, slog.Default())
			if err != nil {
				t.Fatal(err)
			}
			if err := tt.before(path); err != nil {
				_ = c.Close(t.Context())
				t.Skip("an open file cannot be moved here")
			}
			fill(t, c, 1500)
			if text, err := os.ReadFile(filepath.Join(dir, tt.theirs)); tt.theirs != "" && (err != nil || string(text) != tt.text) {
				t.Errorf("%s holds %.20q, %v", tt.theirs, text, err)
			}
			if files, total := room(t, dir); total > 3*size/2 {
				t.Errorf("%v take %d bytes", files, total)
			}
		})
	}
}

// A full disk ends the capture with a line, and nothing else.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil || runtime.GOOS == "windows" { // Wine shows it, and does not open it
		t.Skip("this system has no /dev/full")
	}
	if _, err := open("/dev/full", capture.DefaultSize, slog.Default()); err == nil ||
		!strings.Contains(err.Error(), "no space left") {
		t.Errorf("a disk that is full from the beginning: %v", err)
	}
}

// What comes after a capture has failed is missed, and counted; the reason is told once, and when it is closed.
func TestDiskFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "c.pcapng")
	var said bytes.Buffer
	c, err := open(path, 1<<20, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		_ = c.Close(t.Context())
		t.Skip("what is open cannot be removed here")
	}
	observe := c.Observer(func() string { return "x" })
	const n = 1000
	for range n {
		observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Time: noon, Data: make([]byte, 1000)}})
	}
	for written, missed := c.Counts(); written+missed < n; written, missed = c.Counts() {
		time.Sleep(time.Millisecond)
	}
	observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Time: noon}})
	if err := c.Close(t.Context()); !errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "\n") {
		t.Errorf("closing it says %v", err)
	}
	if written, missed := c.Counts(); written+missed != n+1 || missed == 0 {
		t.Errorf("%d were written and %d missed", written, missed)
	}
	if strings.Count(said.String(), "no such file") != 1 {
		t.Errorf("it has logged\n%s", &said)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	if _, err := open(filepath.Join(dir, "x", "y.pcapng"), capture.DefaultSize, slog.Default()); err == nil {
		t.Error("there is a file in a directory that does not exist")
	}
	if _, err := open(filepath.Join(dir, "y.pcapng"), 1000, slog.Default()); err == nil ||
		!strings.Contains(err.Error(), "1000 bytes are too few") {
		t.Errorf("a capture of 1000 bytes: %v", err)
	}
}

// Whoever observes never waits: what the disk does not take is counted.
func TestOverload(t *testing.T) {
	c, err := open(filepath.Join(t.TempDir(), "x.pcapng"), capture.DefaultSize, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	observe := c.Observer(func() string { return "x" })
	data := make([]byte, 60_000)
	const n = 2000
	for range n {
		observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Data: data, Time: noon}})
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if written, missed := c.Counts(); written+missed != n {
		t.Errorf("%d were written and %d missed, of %d", written, missed, n)
	}
	observe(&server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Data: data, Time: noon}})
	if err := c.Close(context.Background()); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// A burst is not kept in memory when it has been written.
func TestMemoryAfterBurst(t *testing.T) {
	c, err := open(filepath.Join(t.TempDir(), "x.pcapng"), 1<<20, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	observe := c.Observer(func() string { return "x" })
	before := heap()
	for _, size := range []int{50, 5000} {
		const n = 100_000
		written, missed := c.Counts()
		o := &server.Observation{Datagram: &core.Datagram{From: client4, To: server4, Data: make([]byte, size), Time: noon}}
		for range n {
			observe(o)
		}
		for all := written + missed + n; written+missed < all; written, missed = c.Counts() {
			time.Sleep(time.Millisecond)
		}
		grown := heap() - before
		for end := time.Now().Add(time.Second); grown > 8<<20 && time.Now().Before(end); grown = heap() - before {
			time.Sleep(time.Millisecond) // the writer lets go of the last ones after it has counted them
		}
		if grown > 8<<20 {
			t.Errorf("after %d datagrams of %d bytes, %d KiB more are kept", n, size, grown>>10)
		}
	}
	if err := c.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Captures of tcpdump are read, whatever link layer they have; what is no UDP datagram is skipped.
func TestReadPcap(t *testing.T) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: client4.Addr().AsSlice(), DstIP: server4.Addr().AsSlice()}
	udp := &layers.UDP{SrcPort: 40000, DstPort: 1060}
	if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	arp := &layers.ARP{AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		SourceHwAddress: make([]byte, 6), SourceProtAddress: make([]byte, 4), DstHwAddress: make([]byte, 6), DstProtAddress: make([]byte, 4)}
	ether := func(t layers.EthernetType) *layers.Ethernet {
		return &layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: t}
	}
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, packet := range [][]gopacket.SerializableLayer{
		{ether(layers.EthernetTypeIPv4), ip, udp, gopacket.Payload("from tcpdump")},
		{ether(layers.EthernetTypeARP), arp},
	} {
		b := gopacket.NewSerializeBuffer()
		if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, packet...); err != nil {
			t.Fatal(err)
		}
		info := gopacket.CaptureInfo{Timestamp: noon.Truncate(time.Microsecond), CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
		if err := w.WritePacket(info, b.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "dump.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := capture.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := capture.Packet{From: client4, To: server4, Time: noon.Truncate(time.Microsecond), Data: []byte("from tcpdump")}
	if len(f.Packets) != 1 || !same(f.Packets[0], want) || f.Skipped != 1 {
		t.Errorf("%v and %d skipped, want %v and one", f.Packets, f.Skipped, want)
	}
}

// No file makes the reader panic or wait.
func FuzzRead(f *testing.F) {
	dir := f.TempDir()
	path := filepath.Join(dir, "seed.pcapng")
	c, err := open(path, capture.DefaultSize, slog.Default())
	if err != nil {
		f.Fatal(err)
	}
	observe := c.Observer(func() string { return "x" })
	for _, o := range observations()[:4] {
		observe(o)
	}
	if err := c.Close(context.Background()); err != nil {
		f.Fatal(err)
	}
	seed, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0})
	f.Add([]byte("no capture"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := capture.Read(path)
		if err == nil && got == nil {
			t.Error("neither a file nor an error")
		}
	})
}
