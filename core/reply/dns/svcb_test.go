package dns_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/retort-udp/retort/core/reply/dns"
)

// The test vectors of RFC 9460, appendix D, and what else there is to say of parameters.
func TestServices(t *testing.T) {
	const (
		foo    = "03 66 6f 6f 07 65 78 61 6d 70 6c 65 03 63 6f 6d 00" // foo.example.com.
		fooOrg = "03 66 6f 6f 07 65 78 61 6d 70 6c 65 03 6f 72 67 00"
	)
	for _, tt := range []struct{ data, want string }{
		{"HTTPS 0 foo.example.com.", "0000" + foo},
		{"SVCB 1 .", "0001 00"},
		{"SVCB 16 foo.example.com. port=53", "0010" + foo + "0003 0002 0035"},
		{"SVCB 1 foo.example.com. key667=hello", "0001" + foo + "029b 0005 68656c6c6f"},
		{`SVCB 1 foo.example.com. key667="hello\210qoo"`, "0001" + foo + "029b 0009 68656c6c6f d2 716f6f"},
		{`SVCB 1 foo.example.com. ( ipv6hint="2001:db8::1,2001:db8::53:1" )`, "0001" + foo + "0006 0020" +
			"20010db8000000000000000000000001 20010db8000000000000000000530001"},
		{`SVCB 1 example.com. ( ipv6hint="2001:db8:122:344::192.0.2.33" )`, "0001" + foo[len("03 66 6f 6f "):] + "0006 0010" +
			"20010db8012203440000 0000 c0000221"},
		{"SVCB 16 foo.example.org. ( alpn=h2,h3-19 mandatory=ipv4hint,alpn ipv4hint=192.0.2.1 )", "0010" + fooOrg +
			"0000 0004 0001 0004  0001 0009 026832 0568332d3139  0004 0004 c0000201"},
		{`SVCB 16 foo.example.org. alpn="f\\\\oo\\,bar,h2"`, "0010" + fooOrg + "0001 000c 08665c6f6f2c626172 026832"},
		{`SVCB 16 foo.example.org. alpn=f\\\092oo\092,bar,h2`, "0010" + fooOrg + "0001 000c 08665c6f6f2c626172 026832"},

		{`HTTPS 1 . alpn="h3" no-default-alpn`, "0001 00 0001 0003 026833 0002 0000"},
		{`HTTPS 1 . ech="AAEC" ipv4hint=192.0.2.1,192.0.2.2`, "0001 00 0004 0008 c0000201c0000202 0005 0003 000102"},
		{`SVCB 1 . alpn=dot dohpath="/q{?dns}"`, "0001 00 0001 0004 03646f74 0007 0008 2f717b3f646e737d"},
		{`SVCB 1 . key667 key4=abcd`, "0001 00 0004 0004 61626364 029b 0000"},
		{`TYPE65 \# 10 0001 00 0001 0003 026832`, "0001 00 0001 0003 026832"},
		{`URI 10 1 "ftp://ftp1.example.com/public"`, "000a 0001 6674703a2f2f667470312e6578616d706c652e636f6d2f7075626c6963"},
	} {
		kind, _, _ := strings.Cut(tt.data, " ")
		number := map[string]byte{"SVCB": 64, "HTTPS": 65, "TYPE65": 65}[kind]
		request := query(t, "x.e. A")
		request[len(request)-3] = number
		if kind == "URI" {
			request[len(request)-4], request[len(request)-3] = 1, 0
		}
		answer, err := newHandler(t, top+"x 7 "+tt.data).Reply(make([]byte, 0, 512), datagram(request))
		record := len(request) + 12 // where its data begin
		if err != nil || len(answer) < record || fmt.Sprintf("%x", answer[record:]) != strings.ReplaceAll(tt.want, " ", "") {
			t.Errorf("%s:\ngot  %x, %v\nwant %s", tt.data, answer[min(record, len(answer)):], err, tt.want)
		}
		ask(t, newHandler(t, top+"x 7 "+tt.data), request, 512) // dnsmessage can read it
	}
}

// What a service is called may have addresses here.
func TestAddressesOfServices(t *testing.T) {
	h := newHandler(t, top+"x 7 HTTPS 1 y alpn=h2\ny 8 AAAA 2001:db8::1")
	request := query(t, "x.e. A")
	request[len(request)-3] = 65
	if got := text(ask(t, h, request, 512)); !strings.HasSuffix(got, "\nadditional y.e. 8 AAAA 2001:db8::1") {
		t.Error(got)
	}
}

// RFC 9460, appendix D.3, and the like.
func TestWrongServices(t *testing.T) {
	for data, says := range map[string]string{
		"key123=abc key123=def":              "the parameter key123 is given twice",
		"mandatory":                          "the parameter mandatory has no value",
		"alpn":                               "the parameter alpn has no value",
		"port":                               "the parameter port has no value",
		"ipv4hint":                           "the parameter ipv4hint has no value",
		"ipv6hint":                           "the parameter ipv6hint has no value",
		`alpn=h2 no-default-alpn="abc"`:      "the parameter no-default-alpn has no value that it may have: \"abc\"",
		"mandatory=key123":                   "a parameter is mandatory that is not given",
		"mandatory=mandatory":                "the parameter mandatory has no value",
		"mandatory=key123,key123 key123=abc": "the parameter mandatory has no value",
		"no-default-alpn":                    "the parameter no-default-alpn wants an alpn",
		"alpn=h2,,h3":                        "the parameter alpn has no value",
		`alpn="h2\\"`:                        "the parameter alpn has no value",
		"alpn=" + strings.Repeat("a", 256):   "the parameter alpn has no value",
		"port=65536":                         "the parameter port has no value",
		"ipv4hint=::1":                       "the parameter ipv4hint has no value",
		"ipv6hint=fe80::1%eth0":              "the parameter ipv6hint has no value",
		"ech=%":                              "the parameter ech has no value",
		`dohpath=""`:                         "the parameter dohpath has no value",
		`key9=\256`:                          "the parameter key9 has no value",
		"key1=x":                             "the parameter alpn has no value",
		"key08=x":                            `there is no parameter "key08"`,
		"key65535=x":                         `there is no parameter "key65535"`,
		"key=x":                              `there is no parameter "key"`,
		"what=x":                             `there is no parameter "what"`,
		`"port=5"`:                           `there is no parameter "port"`,
		"key9=" + strings.Repeat("a", 65536): "the parameter key9 has no value",
		"key9=" + strings.Repeat("a", 65535): "take more than the 4096 bytes",
	} {
		_, err := dns.New([]byte(top + "x HTTPS 1 . " + data))
		var e *dns.Error
		if !errors.As(err, &e) || e.Line != 4 || !strings.Contains(e.Text, says) {
			t.Errorf("%.50s: %.200v\nwant %s", data, err, says)
		}
	}
	for _, data := range []string{
		`\# 2 0001`, `\# 6 0001 00 0001 00`, `\# 8 0001 00 0003 0002 00`, `\# 15 0001 00 0003 0002 0035 0001 0002 0161`,
		`\# 7 0001 00 0001 0000`, `\# 8 0001 00 0001 0001 00`, `\# 8 0001 00 0002 0001 00`, `\# 7 0001 00 ffff 0000`,
		`\# 9 0001 00 0000 0002 0003`,
	} {
		if _, err := dns.New([]byte(top + "x HTTPS " + data)); err == nil || !strings.Contains(err.Error(), "these bytes are no data of the type HTTPS") {
			t.Errorf("%s: %v", data, err)
		}
	}
}
