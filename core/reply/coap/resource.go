package coap

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// wellKnown is where the links to all resources are (RFC 6690, section 4), in a format of their own.
const (
	wellKnown  = "/.well-known/core"
	linkFormat = 40
)

// Resource is what one path leads to.
type Resource struct {
	Path      string // as in "/sensors/light", or "/"; segments have 1 to 255 bytes
	Body      []byte // the first representation, at most MaxBody bytes
	Format    uint16 // its content format: 0 is text in UTF-8, 40 links, 42 any bytes, 50 JSON, 60 CBOR
	Writable  int    // how many bytes may be PUT, at most MaxWritable; 0: it may only be read
	Title     string // attributes of its link (RFC 6690, section 3.1 and RFC 8288); empty: left out
	Type      string // rt
	Interface string // if
}

// resource is a worker's own Resource.
type resource struct {
	*Resource
	path string
	hash uint64 // of path
	link string
	ct   string // the format, in decimal
	body []byte
	tag  uint64 // of body
}

func newResource(r *Resource) resource {
	body := make([]byte, len(r.Body), max(len(r.Body), r.Writable))
	copy(body, r.Body)
	ct := strconv.Itoa(int(r.Format))
	return resource{Resource: r, path: r.Path, hash: hashOf(r.Path), link: link(r, ct), ct: ct, body: body, tag: tagOf(body)}
}

// tagOf is a representation's entity tag; never 0.
func tagOf(body []byte) uint64 { return max(digest(body), 1) }

// put replaces the representation, and answers.
func (o *resource) put(out writer, r *request, id uint16) []byte {
	code := o.write(r)
	out.begin(&r.message, code, id)
	if code == requestEntityTooLarge {
		out.uint(size1, uint32(o.Writable)) // the most that would be taken (RFC 7252, section 5.9.2.9)
	}
	return out.out
}

func (o *resource) write(r *request) (code byte) {
	switch {
	case o.Writable == 0:
		return methodNotAllowed
	case r.ifNoneMatch, r.ifMatch && !r.has(ifMatch, nil) && !r.hasTag(ifMatch, o.tag):
		return preconditionFailed // it exists; an empty If-Match asks for no more than that
	case r.format >= 0 && r.format != int(o.Format):
		return unsupportedFormat
	case len(r.payload) > o.Writable:
		return requestEntityTooLarge
	}
	o.body = append(o.body[:0], r.payload...)
	o.tag = tagOf(o.body)
	return changed
}

// matches says whether the link is one that a request's queries ask for (RFC 6690, section 4.1): each has the form
// "attribute=value", where a value that ends in "*" stands for all that begin so.
func (o *resource) matches(r *request) bool {
	for all := r.query; ; {
		q, s := all.next()
		if s != more || q.number > uriQuery {
			return true
		}
		name, pattern, found := bytes.Cut(q.value, []byte("="))
		if found && !o.has(name, pattern) {
			return false
		}
	}
}

// has says whether the link has an attribute with a value like the pattern. Some are lists of words, of which
// one must be.
func (o *resource) has(name, pattern []byte) bool {
	switch string(name) {
	case "href":
		return like(o.path, pattern)
	case "title":
		return o.Title != "" && like(o.Title, pattern)
	case "ct":
		return like(o.ct, pattern)
	case "rt":
		return hasWord(o.Type, pattern)
	case "if":
		return hasWord(o.Interface, pattern)
	}
	return false
}

func hasWord(words string, pattern []byte) bool {
	for words != "" {
		var word string
		word, words, _ = strings.Cut(words, " ")
		if word != "" && like(word, pattern) {
			return true
		}
	}
	return false
}

func like(text string, pattern []byte) bool {
	if n := len(pattern); n > 0 && pattern[n-1] == '*' {
		return len(text) >= n-1 && text[:n-1] == string(pattern[:n-1])
	}
	return text == string(pattern)
}

// link writes a resource as a link, as in `</sensors/light>;rt="light";ct=0`.
func link(r *Resource, ct string) string {
	b := []byte("<")
	for i := range len(r.Path) {
		b = appendInURI(b, r.Path[i])
	}
	b = append(b, '>')
	for _, a := range []struct{ name, value string }{{"rt", r.Type}, {"if", r.Interface}, {"title", r.Title}} {
		if a.value != "" {
			b = append(append(append(append(append(b, ';'), a.name...), `="`...), a.value...), '"')
		}
	}
	return string(append(append(b, ";ct="...), ct...))
}

// appendInURI appends a byte of a path as it may stand in a URI (RFC 3986, section 3.3).
func appendInURI(b []byte, c byte) []byte {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("/-._~!$&'()*+,;=:@", c) >= 0:
		return append(b, c)
	}
	const digits = "0123456789ABCDEF"
	return append(b, '%', digits[c>>4], digits[c&15])
}

// check says what is wrong with a Handler.
func (h *Handler) check() error {
	if exponentOf(h.Block) < 0 {
		return errors.New("coap: there are no blocks of " + strconv.Itoa(h.Block) + " bytes")
	}
	if h.Remember > MaxRemember {
		return errors.New("coap: " + strconv.Itoa(h.Remember) + " messages are too many to remember: the most is " +
			strconv.Itoa(MaxRemember))
	}
	if len(h.Resources) > MaxResources {
		return errTooMany
	}
	for i := range h.Resources {
		r := &h.Resources[i]
		if err := r.check(h.Resources[:i]); err != nil {
			return errors.New("coap: the resource " + strconv.Quote(r.Path) + ": " + err.Error())
		}
	}
	return nil
}

var errTooMany = errors.New("there are " + strconv.Itoa(MaxResources) + " resources already, which is the most")

func (r *Resource) check(others []Resource) error {
	if err := checkPath(r.Path, others); err != nil {
		return err
	}
	if len(r.Body) > MaxBody {
		return errors.New("its representation has " + strconv.Itoa(len(r.Body)) + " bytes: the most is " + strconv.Itoa(MaxBody))
	}
	if r.Writable < 0 || r.Writable > MaxWritable {
		return errors.New("it may be written with " + strconv.Itoa(r.Writable) + " bytes: the most is " + strconv.Itoa(MaxWritable))
	}
	for _, text := range []string{r.Title, r.Type, r.Interface} {
		if err := checkAttribute(text); err != nil {
			return err
		}
	}
	return nil
}

// checkPath says what is wrong with a path, which the others must not have.
func checkPath(path string, others []Resource) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New(`a path begins with "/"`)
	case path == wellKnown:
		return errors.New("the links to all resources are there")
	case !utf8.ValidString(path):
		return errors.New("a path is UTF-8")
	}
	if path != "/" {
		for segment := range strings.SplitSeq(path[1:], "/") {
			if segment == "" || len(segment) > 255 {
				return errors.New("each segment of a path has 1 to 255 bytes")
			}
		}
	}
	for i := range others {
		if others[i].Path == path {
			return errors.New("there is one with this path already")
		}
	}
	return nil
}

// checkAttribute says what is wrong with the value of a link's attribute, which stands between quotation marks.
func checkAttribute(text string) error {
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
		return errors.New(strconv.Quote(text) + ` has characters that an attribute may not have: ", \, or control characters`)
	}
	return nil
}
