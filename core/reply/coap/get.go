package coap

import "encoding/binary"

// representation is what GET returns.
type representation struct {
	body   []byte
	length int    // of links
	links  *links // instead of body, the links that match the queries of a request
	format uint16
	tag    uint64 // 0: none
}

// links are those of some of the resources: a bit for each.
type links [MaxResources / 64]uint64

func (l *links) has(i int) bool { return l[i/64]>>(i%64)&1 != 0 }

// linksFor returns those that match the queries of a request, and how long they are.
func (w *worker) linksFor(r *request) (matching links, length int) {
	for i := range w.resources {
		if o := &w.resources[i]; o.matches(r) {
			matching[i/64] |= 1 << (i % 64)
			length += len(o.link) + 1 // and a comma
		}
	}
	return matching, max(length-1, 0)
}

// overhead is what a response takes beside its token and payload, at most: the header, ETag, Content-Format, Block2,
// Size2 and the payload marker.
const overhead = headerSize + 9 + 3 + 4 + 5 + 1

// get answers with a representation, or with a block of it.
func (w *worker) get(out writer, r *request, id uint16, rep representation) []byte {
	if r.accepts >= 0 && r.accepts != int(rep.format) {
		out.begin(&r.message, notAcceptable, id)
		return out.out
	}
	if r.block.number == 0 && rep.tag != 0 && r.hasTag(etag, rep.tag) {
		out.begin(&r.message, valid, id)
		out.tag(rep.tag)
		return out.out
	}
	total := len(rep.body)
	if rep.links != nil {
		total = rep.length
	}
	b, inBlocks, ok := w.choose(r, total, cap(out.out)-overhead-len(r.token))
	if !ok {
		out.begin(&r.message, badRequest, id)
		return out.out
	}
	out.begin(&r.message, content, id)
	if rep.tag != 0 {
		out.tag(rep.tag)
	}
	out.uint(contentFormat, uint32(rep.format))
	from, to := 0, total
	if inBlocks {
		from, to = b.offset(), min(b.offset()+b.size(), total)
		out.uint(block2, b.value(to < total))
	}
	if r.wantsSize {
		out.uint(size2, uint32(total))
	}
	if from < to {
		out.out = w.part(append(out.out, payloadMarker), &rep, from, to)
	}
	return out.out
}

// choose says whether a response comes in blocks, and which block this one is: the one that was asked for, or that part
// of it that fits room bytes; when none was asked for, the first, unless all fits. It is not ok to ask for what lies
// behind the end, or for blocks of a size that there is not.
func (w *worker) choose(r *request, total, room int) (b block, inBlocks, ok bool) {
	exponent := w.exponent
	if !r.hasBlock && total <= 16<<exponent && total <= room {
		return b, false, true
	}
	for exponent > 0 && 16<<exponent > room {
		exponent--
	}
	if !r.hasBlock {
		return block{0, exponent}, true, true
	}
	if r.block.exponent > 6 {
		return b, false, false
	}
	b = r.block.resized(exponent)
	return b, true, b.number == 0 || b.offset() < total
}

// part appends the bytes from one offset to another.
func (w *worker) part(dst []byte, rep *representation, from, to int) []byte {
	if rep.links == nil {
		return append(dst, rep.body[from:to]...)
	}
	at := 0 // of what follows in the representation
	add := func(s string) {
		if low, high := max(from-at, 0), min(to-at, len(s)); low < high {
			dst = append(dst, s[low:high]...)
		}
		at += len(s)
	}
	for i := range w.resources {
		if rep.links.has(i) {
			if at > 0 {
				add(",")
			}
			add(w.resources[i].link)
		}
	}
	return dst
}

// maxQueries is how many queries for links one request may have; RFC 6690 knows of one.
const maxQueries = 4

// core answers requests for /.well-known/core, which may only be read.
func (w *worker) core(out writer, r *request, id uint16) []byte {
	if r.code != get {
		out.begin(&r.message, methodNotAllowed, id)
		return out.out
	}
	rep := representation{body: w.links, tag: w.linksTag, format: linkFormat}
	if r.queries > maxQueries {
		out.begin(&r.message, badRequest, id)
		return out.out
	}
	if r.queries > 0 {
		matching, length := w.linksFor(r)
		if r.group && length == 0 {
			return nil // RFC 6690, section 4.1
		}
		rep = representation{links: &matching, length: length, format: linkFormat}
	}
	return w.get(out, r, id, rep)
}

// hasTag says whether there is an option with this entity tag.
func (m *message) hasTag(number int, tag uint64) bool {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], tag)
	return m.has(number, b[:])
}
