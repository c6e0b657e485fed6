package coap

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/retort-udp/retort/core/reply/internal/settings"
)

// maxText is how long a path or an attribute may be in a configuration, in bytes.
const maxText = 1024

// Configure sets the fields of h, and adds resources to those it has, from text with one setting a line; a line that
// begins with "#" is a comment:
//
//	block    512     # the largest block
//	remember 4096    # messages that each worker knows again; 0: none
//
//	resource  /sensors/light
//	format    50
//	type      light-lux
//	interface sensor
//	title     "Light in the yard"
//	body      {"lux": 240}
//
//	resource  /lamp
//	body      off
//	writable  64
//
//	resource  /key
//	format    42
//	hex       00ff17
//
// In the text itself a comment has a line of its own. The keys below a resource are about that one. A text that begins
// with a quotation mark is read as a Go string. An error names the line and leaves h as it was.
func (h *Handler) Configure(config []byte) error {
	next := *h
	next.Resources = slices.Clone(h.Resources)
	last := -1
	of := func(set func(r *Resource, v settings.Value) error) func(settings.Value) error {
		return func(v settings.Value) error {
			if last < 0 {
				return errors.New(`it is about a resource, and no line "resource" stands above it`)
			}
			return set(&next.Resources[last], v)
		}
	}
	attribute := func(field func(r *Resource) *string) func(settings.Value) error {
		return of(func(r *Resource, v settings.Value) (err error) {
			if *field(r), err = v.Text(maxText); err != nil {
				return err
			}
			return checkAttribute(*field(r))
		})
	}
	err := settings.Read(config, []settings.Key{
		{Name: "block", Set: next.setBlock},
		{Name: "remember", Set: next.setRemember},
		{Name: "resource", Repeat: settings.Section, Set: func(v settings.Value) error {
			last = len(next.Resources)
			return next.addResource(v)
		}},
		{Name: "format", Set: of(func(r *Resource, v settings.Value) error {
			n, err := v.Integer(0, 65535)
			r.Format = uint16(n)
			return err
		})},
		{Name: "type", Set: attribute(func(r *Resource) *string { return &r.Type })},
		{Name: "interface", Set: attribute(func(r *Resource) *string { return &r.Interface })},
		{Name: "title", Set: attribute(func(r *Resource) *string { return &r.Title })},
		{Name: "writable", Set: of(func(r *Resource, v settings.Value) (err error) {
			r.Writable, err = v.Integer(0, MaxWritable)
			return err
		})},
		{Name: "body", Set: of(func(r *Resource, v settings.Value) error {
			text, err := v.Text(MaxBody)
			return r.setBody([]byte(text), err)
		})},
		{Name: "hex", Set: of(func(r *Resource, v settings.Value) error {
			b, err := v.Hex(0, MaxBody)
			return r.setBody(b, err)
		})},
	})
	if err != nil {
		return err
	}
	*h = next
	return nil
}

func (h *Handler) setBlock(v settings.Value) error {
	n, err := v.Integer(blockSizes[0], blockSizes[len(blockSizes)-1])
	if err == nil && !slices.Contains(blockSizes, n) {
		var sizes []string
		for _, size := range blockSizes {
			sizes = append(sizes, strconv.Itoa(size))
		}
		err = errors.New("want one of " + strings.Join(sizes, ", "))
	}
	h.Block = n
	return err
}

func (h *Handler) setRemember(v settings.Value) error {
	n, err := v.Integer(0, MaxRemember)
	if h.Remember = n; n == 0 {
		h.Remember = -1 // none; 0 is the default
	}
	return err
}

func (h *Handler) addResource(v settings.Value) error {
	if len(h.Resources) == MaxResources {
		return errTooMany
	}
	path, err := v.Text(maxText)
	if err == nil {
		err = checkPath(path, h.Resources)
	}
	h.Resources = append(h.Resources, Resource{Path: path})
	return err
}

func (r *Resource) setBody(b []byte, err error) error {
	if err == nil && r.Body != nil {
		err = errors.New("the resource has a body already")
	}
	r.Body = b
	return err
}
