;; A command handler that calls itself without an end.
;; want: 8 faults (depth)
(module
  (memory (export "memory") 1)
  (func $deeper (result i32) (i32.add (call $deeper) (i32.const 1)))
  (func (export "_start") (drop (call $deeper))))
