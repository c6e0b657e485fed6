package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/retort-udp/retort/wasmhandler"
)

// ModuleHandler returns the Handler that the bytes of a module, of which m was compiled, make.
func ModuleHandler(name string, wasm []byte, m *wasmhandler.Module) *Handler {
	sum := sha256.Sum256(wasm)
	return &Handler{Name: name, Version: Version(wasm), SHA256: hex.EncodeToString(sum[:]), Handler: m, Module: m}
}

// maxVersion is how many bytes of a version are shown.
const maxVersion = 64

// Version returns what a module says is its version, in a custom section called "version": that is where tools put
// it (wasm-tools metadata add --version 1.2.3). It is "" where there is none, or none that one line can show.
func Version(wasm []byte) string {
	const magicAndVersion, custom = 8, 0
	rest := wasm[min(magicAndVersion, len(wasm)):]
	for len(rest) > 1 {
		id := rest[0]
		section, behind, ok := sized(rest[1:])
		if !ok {
			return ""
		}
		rest = behind
		if id != custom {
			continue
		}
		if name, text, ok := sized(section); ok && string(name) == "version" {
			return printable(text)
		}
	}
	return ""
}

// sized splits off what a length in LEB128 stands in front of (WebAssembly core specification, 5.2.2 and 5.5.2).
func sized(b []byte) (first, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return nil, nil, false
	}
	return b[n : n+int(size)], b[n+int(size):], true
}

func printable(text []byte) string {
	version := strings.TrimSpace(string(text))
	if len(version) > maxVersion || !utf8.ValidString(version) ||
		strings.ContainsFunc(version, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return version
}
