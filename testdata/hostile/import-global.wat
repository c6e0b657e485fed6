;; Imports a global variable that can be set.
;; want: refused: it imports what no handler is given: env.fuel (a global)
(module
  (import "env" "fuel" (global (mut i64)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
