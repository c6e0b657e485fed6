package wasmgen

// What a handler that this package completes has, unless it says otherwise.
const (
	HandlerPages  = 4       // of memory
	HandlerWindow = 1 << 16 // the address of its window
)

// Handler completes a module that is to be a handler of the ABI, and returns it: with a memory of HandlerPages if it has
// none, a window at HandlerWindow, and a reply that is what the given function makes of it, or empty when that is
// negative. What was exported before comes first.
func (m *Module) Handler(reply int) []byte { return m.HandlerAt(HandlerWindow, reply) }

// HandlerAt is Handler with another window.
func (m *Module) HandlerAt(window uint32, reply int) []byte {
	if m.memories.count == 0 {
		m.Memory(HandlerPages)
	}
	m.Export("memory", KindMemory, 0)
	m.ExportFunction("retort_v1_window", "i", "i", Code{}.I32(int32(window)))
	if reply < 0 {
		reply = m.Function(ReplyParams, "i", Code{}.I32(0))
	}
	m.Export("retort_v1_reply", KindFunction, reply)
	return m.Bytes()
}

// ReplyParams are the parameters of retort_v1_reply, whose result is an i32.
const ReplyParams = "iiiii"

// Replying is a handler of one function.
func Replying(c Code, l ...Locals) []byte {
	m := new(Module)
	return m.Handler(m.Function(ReplyParams, "i", c, l...))
}

// ExportFunction is Function and Export.
func (m *Module) ExportFunction(name, params, results string, code Code, locals ...Locals) int {
	f := m.Function(params, results, code, locals...)
	m.Export(name, KindFunction, f)
	return f
}

// NameFunctions adds the section that names functions: an index and a name each, count of them.
func (m *Module) NameFunctions(count int, names []byte) {
	const functionNames = 1 // the subsection (WebAssembly core specification, 7.4.1)
	names = append(Uint(uint64(count)), names...)
	content := append(Name("name"), functionNames)
	content = append(append(content, Uint(uint64(len(names)))...), names...)
	m.Raw(SectionCustom, content)
}
