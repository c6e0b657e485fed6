;; Imports its memory.
;; want: refused: it imports its memory, env.memory: it must have its own, and export it
(module
  (import "env" "memory" (memory 4))
  (export "memory" (memory 0))
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
