package capture

import (
	"fmt"
	"net/netip"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
)

// encode returns an IP packet with a UDP datagram from one address to another.
func encode(from, to netip.AddrPort, payload []byte) ([]byte, error) {
	udp := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
	var network gopacket.SerializableLayer
	source, destination := from.Addr().Unmap().WithZone(""), to.Addr().Unmap().WithZone("")
	if source.Is4() != destination.Is4() { // a wildcard's, where the system does not tell which address was asked
		destination, source = sameFamily(destination, source), sameFamily(source, destination)
	}
	if source.Is4() {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: source.AsSlice(), DstIP: destination.AsSlice()}
		network = ip
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
	} else {
		ip := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocolUDP, SrcIP: source.AsSlice(), DstIP: destination.AsSlice()}
		network = ip
		if err := udp.SetNetworkLayerForChecksum(ip); err != nil {
			return nil, err
		}
	}
	buffer := gopacket.NewSerializeBuffer()
	options := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buffer, options, network, udp, gopacket.Payload(payload)); err != nil {
		return nil, fmt.Errorf("a datagram of %d bytes from %v to %v: %w", len(payload), from, to, err)
	}
	return buffer.Bytes(), nil
}

// sameFamily returns the unspecified address of the other's family where a is unspecified.
func sameFamily(a, other netip.Addr) netip.Addr {
	if !a.IsUnspecified() {
		return a
	}
	if other.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// decode returns the UDP datagram in a packet, whatever it is wrapped in; ok is false if there is none that is whole.
func decode(data []byte, link gopacket.Decoder) (from, to netip.AddrPort, payload []byte, ok bool) {
	p := gopacket.NewPacket(data, link, gopacket.DecodeOptions{NoCopy: true})
	udp, isUDP := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !isUDP || p.NetworkLayer() == nil {
		return from, to, nil, false
	}
	if n := int(udp.Length); n != 0 && n != 8+len(udp.Payload) {
		return from, to, nil, false // it was cut when it was captured, or it is a fragment
	}
	flow := p.NetworkLayer().NetworkFlow()
	source, ok1 := netip.AddrFromSlice(flow.Src().Raw())
	destination, ok2 := netip.AddrFromSlice(flow.Dst().Raw())
	from = netip.AddrPortFrom(source.Unmap(), uint16(udp.SrcPort))
	to = netip.AddrPortFrom(destination.Unmap(), uint16(udp.DstPort))
	return from, to, udp.Payload, ok1 && ok2
}
