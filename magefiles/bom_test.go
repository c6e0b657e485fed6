package main

import "testing"

func TestCheckBom(t *testing.T) {
	const of = `{"metadata":{"component":{"name":"github.com/retort-udp/retort","version":"v1.2.3"}},"components":[`
	const wazero = `{"name":"github.com/tetratelabs/wazero","version":"v1.12.0"}`
	if err := checkBom([]byte(of + wazero + `,{"name":"std","version":"go1.26.8"}]}`)); err != nil {
		t.Errorf("a whole list: %v", err)
	}
	for _, text := range []string{"", "{}", of + "]}", of + wazero + "]}", of + wazero + `,{"name":"std"}]}`} {
		if err := checkBom([]byte(text)); err == nil {
			t.Errorf("%q passes", text)
		}
	}
}
