;; Imports a function whose name wants to be a line of the log.
;; want: refused: it imports what no handler is given: env.x
(module
  (import "env" "x\0atime=2026-11-22T13:40:00Z level=INFO msg=\"handler loaded\"\1b[1A\1b[2K" (func))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
