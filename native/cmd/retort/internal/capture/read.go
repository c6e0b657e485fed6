package capture

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
)

// Packet is a UDP datagram of a capture.
type Packet struct {
	From, To netip.AddrPort
	Time     time.Time
	Data     []byte

	// What a capture of this package says beside; other captures have zeros here.
	Request uint64 // the number of the request that this is, or answers
	Reply   bool
	Outcome string // of a request: "replied", "silent", "refused: rate" and so on
}

// maxPackets is how many packets of a file are read: what fits in memory, and more than people look at.
const maxPackets = 10_000_000

// File is what a capture file holds.
type File struct {
	Packets []Packet
	Skipped int // packets that are no UDP datagram, or no whole one
}

// source is a reader of either format.
type source func() (data []byte, info gopacket.CaptureInfo, comments []string, link layers.LinkType, err error)

// Read reads a file in pcapng or pcap format.
func Read(path string) (*File, error) {
	disk, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer disk.Close()
	f, err := read(disk)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

func read(in io.Reader) (*File, error) {
	next, err := open(in)
	if err != nil {
		return nil, err
	}
	f := new(File)
	for range maxPackets {
		data, info, comments, link, err := next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && len(f.Packets) > 0 {
			return f, nil // a capture that was not closed ends in the middle of something
		}
		if err != nil {
			return nil, fmt.Errorf("behind %d packets: %w", len(f.Packets)+f.Skipped, err)
		}
		p := Packet{Time: info.Timestamp.UTC()}
		var payload []byte
		var ok bool
		if p.From, p.To, payload, ok = decode(data, link); !ok || info.CaptureLength < info.Length {
			f.Skipped++
			continue
		}
		p.Data = bytes.Clone(payload)
		for _, c := range comments {
			p.understand(c)
		}
		f.Packets = append(f.Packets, p)
	}
	return nil, fmt.Errorf("it has more than %d packets", maxPackets)
}

// The comments that this package writes.
var (
	requestComment = regexp.MustCompile(`^request (\d+), handler ".*", ([a-z0-9 :-]+)$`)
	replyComment   = regexp.MustCompile(`^reply (\d+)$`)
)

// understand takes in a comment, if it is one of ours.
func (p *Packet) understand(comment string) {
	if m := requestComment.FindStringSubmatch(comment); m != nil {
		p.Request, _ = strconv.ParseUint(m[1], 10, 64)
		p.Outcome = m[2]
	} else if m := replyComment.FindStringSubmatch(comment); m != nil {
		p.Request, _ = strconv.ParseUint(m[1], 10, 64)
		p.Reply = true
	}
}

// open finds out which format in has.
func open(in io.Reader) (source, error) {
	var magic [4]byte
	if _, err := io.ReadFull(in, magic[:]); err != nil {
		return nil, errors.New("it is no capture: it has fewer than four bytes")
	}
	in = io.MultiReader(bytes.NewReader(magic[:]), in)
	if magic == [4]byte{0x0a, 0x0d, 0x0d, 0x0a} {
		r, err := pcapgo.NewNgReader(in, pcapgo.NgReaderOptions{WantMixedLinkType: true})
		if err != nil {
			return nil, fmt.Errorf("it is no pcapng file: %w", err)
		}
		return func() ([]byte, gopacket.CaptureInfo, []string, layers.LinkType, error) {
			data, info, options, err := r.ReadPacketDataWithOptions()
			link := r.LinkType()
			if err == nil {
				if face, err := r.Interface(info.InterfaceIndex); err == nil {
					link = face.LinkType
				}
			}
			return data, info, options.Comments, link, err
		}, nil
	}
	r, err := pcapgo.NewReader(in)
	if err != nil {
		return nil, fmt.Errorf("it is neither pcapng nor pcap: %w", err)
	}
	return func() ([]byte, gopacket.CaptureInfo, []string, layers.LinkType, error) {
		data, info, err := r.ReadPacketData()
		return data, info, nil, r.LinkType(), err
	}, nil
}
