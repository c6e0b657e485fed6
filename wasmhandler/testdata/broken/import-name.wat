;; want: it imports what no handler is given: env.a b�[31mc
(module
  (import "env" "a\nb\1b[31mc" (func))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
