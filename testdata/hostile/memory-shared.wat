;; Has a memory that threads share, and spins on it.
;; want: refused: its memory is shared between threads: a handler has no threads
(module
  (memory (export "memory") 4 4 shared)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $spin (br_if $spin (i32.eqz (i32.atomic.load (i32.const 0)))))
    (i32.const 0)))
