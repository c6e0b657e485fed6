package dns_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"
)

// model is the algorithm of RFC 1034, section 4.3.2, with what RFC 4592 says of wildcards, on names that are text: as
// slow and as plain as it can be.
type model []modelRecord

// modelRecord is a record of the zone e.; its name, like those in it, is absolute.
type modelRecord struct{ owner, kind, data string }

func (m model) at(name, kind string) (all []modelRecord) {
	for _, r := range m {
		if r.owner == name && r.kind == kind {
			all = append(all, r)
		}
	}
	return all
}

func (m model) exists(name string) bool {
	return slices.ContainsFunc(m, func(r modelRecord) bool { return r.owner == name || strings.HasSuffix(r.owner, "."+name) })
}

// parent is the name without its first label.
func parent(name string) string {
	_, rest, _ := strings.Cut(name, ".")
	return rest
}

// cut is where the zone is delegated above or at a name, the highest such place; "" if nowhere.
func (m model) cut(name string) (at string) {
	for ; name != "e."; name = parent(name) {
		if m.at(name, "NS") != nil {
			at = name
		}
	}
	return at
}

// answer is what a response says: the code, "aa" or not, the answers, and what the authority section is about.
func (m model) answer(name, kind string) string {
	var answers []string
	add := func(owner string, records []modelRecord) {
		for _, r := range records {
			answers = append(answers, owner+" "+r.kind+" "+r.data)
		}
	}
	code, authority := "NOERROR", ""
	seen := map[string]bool{name: true}
	for range 16 {
		if !strings.HasSuffix("."+name, ".e.") {
			break
		}
		if cut := m.cut(name); cut != "" {
			authority = "NS " + cut
			break
		}
		source := name
		if !m.exists(name) {
			encloser := parent(name)
			for !m.exists(encloser) {
				encloser = parent(encloser)
			}
			source = "*." + encloser
		}
		if !m.exists(source) {
			code, authority = "NXDOMAIN", "SOA e."
			break
		}
		if records := m.at(source, kind); records != nil {
			add(name, records)
			break
		}
		alias := m.at(source, "CNAME")
		if alias == nil {
			authority = "SOA e."
			break
		}
		add(name, alias)
		if name = alias[0].data; seen[name] {
			break
		}
		seen[name] = true
	}
	aa := ""
	if len(answers) > 0 || !strings.HasPrefix(authority, "NS") {
		aa = " aa"
	}
	return fmt.Sprintf("%s%s %q %s", code, aa, answers, authority)
}

// said is the same of a message.
func said(m *dnsmessage.Message) string {
	head, _, _ := strings.Cut(text(m), "\n")
	var answers []string
	for _, r := range m.Answers {
		fields := strings.SplitN(recordText(r), " ", 4)
		answers = append(answers, fields[0]+" "+fields[2]+" "+fields[3])
	}
	authority := ""
	for _, r := range m.Authorities {
		authority = typeName(r.Header.Type) + " " + r.Header.Name.String()
	}
	return fmt.Sprintf("%s %q %s", head, answers, authority)
}

// randomZone returns a zone of a few names, which are near to each other.
func randomZone(r *rand.Rand) (m model) {
	name := func() string { return randomName(r) }
	m = model{{"e.", "SOA", "a.e. b.e. 1 2 3 4 5"}, {"e.", "NS", "ns."}}
	for range 1 + r.IntN(12) {
		record := modelRecord{owner: name()}
		switch r.IntN(6) {
		case 0, 1:
			record.kind, record.data = "CNAME", name()
		case 2:
			record.kind, record.data = "NS", name()
		case 3:
			record.kind, record.data = "PTR", name()
		default:
			record.kind, record.data = "A", fmt.Sprintf("192.0.2.%d", r.IntN(4))
		}
		alone := func(other modelRecord) bool {
			return other == record || other.owner == record.owner && (other.kind == "CNAME" || record.kind == "CNAME")
		}
		if slices.ContainsFunc(m, alone) || record.kind == "NS" && strings.HasPrefix(record.owner, "*.") {
			continue
		}
		m = append(m, record)
	}
	return m
}

func randomName(r *rand.Rand) string {
	labels := []string{"a.", "b.", "*.", "c."}
	var name strings.Builder
	for range r.IntN(5) {
		name.WriteString(labels[r.IntN(len(labels))])
	}
	if r.IntN(20) == 0 {
		return name.String() + "f."
	}
	return name.String() + "e."
}

// In thousands of small zones every question is answered as the model says.
func TestModel(t *testing.T) {
	zones := 5000
	if testing.Short() || raced {
		zones = 1000
	}
	r := rand.New(rand.NewPCG(1, 1))
	for range zones {
		m := randomZone(r)
		m = slices.DeleteFunc(m, func(r modelRecord) bool { return !strings.HasSuffix("."+r.owner, ".e.") })
		var zone strings.Builder
		for _, record := range m {
			fmt.Fprintf(&zone, "%s 5 %s %s\n", record.owner, record.kind, record.data)
		}
		h := newHandler(t, zone.String())
		for range 20 {
			name, kind := randomName(r), []string{"A", "CNAME", "NS", "PTR", "TXT"}[r.IntN(5)]
			if !strings.HasSuffix("."+name, ".e.") {
				continue
			}
			got, want := said(ask(t, h, query(t, name+" "+kind), 4096)), m.answer(name, kind)
			if got != want {
				t.Fatalf("%s %s\ngot  %s\nwant %s\nin\n%s", name, kind, got, want, zone.String())
			}
		}
	}
}
