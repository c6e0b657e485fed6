;; Loops for ever while it answers, and does nothing else.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $for-ever (br $for-ever))
    unreachable))
