package core_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/retort-udp/retort"

// goPackage is what "go list -json" says of a package, as far as it matters here.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// Imports run one way. Whoever breaks that finds here what the arrangement is:
//
//	core          imports nothing of ours but what is below it, and nothing from elsewhere
//	native        imports core; wasmhandler imports core; neither imports the other
//	wasmhandler/guest, which is linked into guests, imports core and the ABI only
//	native/cmd    imports all of them
func TestImportsRunOneWay(t *testing.T) {
	for _, p := range list(t, "./...") {
		for _, imported := range p.Imports {
			if reason := forbidden(p.ImportPath, imported); reason != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, reason)
			}
		}
	}
}

// exceptions are the imports from elsewhere that packages below core may have.
var exceptions = map[string][]string{
	module + "/core/reply/dns": {"golang.org/x/net/dns/dnsmessage"},
}

// libraries are the modules that what an embedder imports may link, by its place.
var libraries = map[string][]string{
	module + "/native":      {"golang.org/x/sys"},
	module + "/wasmhandler": {"github.com/tetratelabs/wazero", "golang.org/x/sys"},
}

func forbidden(importer, imported string) string {
	ours := below(imported, module)
	foreign := !ours && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	switch {
	case below(importer, module+"/native/cmd"):
		return ""
	case below(imported, module+"/native/cmd"):
		return "nothing imports the command"
	case below(importer, module+"/core"):
		if ours && !below(imported, module+"/core") {
			return "core imports nothing of ours from outside itself"
		}
		if foreign && !slices.Contains(exceptions[importer], imported) {
			return "core uses the standard library only"
		}
	case below(importer, module+"/wasmhandler/guest"):
		if ours && !below(imported, module+"/core") && imported != module+"/wasmhandler/abi" &&
			!below(imported, module+"/wasmhandler/guest") {
			return "guests link core and the ABI only"
		}
		if foreign {
			return "guests use the standard library only"
		}
	case below(importer, module+"/native") && below(imported, module+"/wasmhandler"),
		below(importer, module+"/wasmhandler") && below(imported, module+"/native"):
		return "native and wasmhandler do not know each other"
	case foreign:
		for place, allowed := range libraries {
			if below(importer, place) && !slices.ContainsFunc(allowed, func(m string) bool { return below(imported, m) }) {
				return "packages to embed link few libraries, and this is none of them"
			}
		}
	}
	return ""
}

// below says whether the path is root or lies below it.
func below(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}

func TestForbidden(t *testing.T) {
	for _, tt := range []struct {
		importer, imported string
		want               bool
	}{
		{"/core", "strconv", false},
		{"/core", "/native", true},
		{"/core", "golang.org/x/sys/unix", true},
		{"/core/server", "/core/guard", false},
		{"/core/server", "/wasmhandler/abi", true},
		{"/core/reply/dns", "golang.org/x/net/dns/dnsmessage", false},
		{"/core/reply/ntp", "golang.org/x/net/dns/dnsmessage", true},
		{"/native", "/core/server", false},
		{"/native", "/wasmhandler", true},
		{"/native", "golang.org/x/sys/unix", false},
		{"/native", "github.com/spf13/cobra", true},
		{"/native", "/native/cmd/retort", true},
		{"/wasmhandler", "/native", true},
		{"/wasmhandler", "github.com/tetratelabs/wazero/api", false},
		{"/wasmhandler/meter", "github.com/spf13/cobra", true},
		{"/wasmhandler/guest", "/core", false},
		{"/wasmhandler/guest", "/wasmhandler/abi", false},
		{"/wasmhandler/guest", "/wasmhandler", true},
		{"/native/cmd/retort", "/wasmhandler", false},
		{"/native/cmd/retort", "github.com/spf13/cobra", false},
	} {
		importer, imported := module+tt.importer, tt.imported
		if strings.HasPrefix(imported, "/") {
			imported = module + imported
		}
		if got := forbidden(importer, imported); (got != "") != tt.want {
			t.Errorf("%s imports %s: %q", tt.importer, tt.imported, got)
		}
	}
}

// A handler is linked into guests together with core, so core itself stays light.
func TestCoreIsLight(t *testing.T) {
	heavy := []string{"fmt", "log/slog", "net", "os", "reflect", "encoding/json"}
	for _, name := range []string{"./core", "./core/reply"} {
		for _, p := range list(t, name) {
			for _, imported := range p.Imports {
				if slices.Contains(heavy, imported) {
					t.Errorf("%s imports %s, which every guest would carry", p.ImportPath, imported)
				}
			}
		}
	}
}

// list asks the go command about packages of this module.
func list(t *testing.T, pattern string) (packages []goPackage) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", pattern)
	cmd.Dir = ".."
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		t.Fatalf("%v: %v\n%s", cmd, err, &stderr)
	case err != nil:
		t.Skipf("the go command cannot be run here: %v", err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) == 0 {
		t.Fatalf("%v lists no package", cmd)
	}
	return packages
}
