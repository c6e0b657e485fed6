;; Grows its memory by no page, for ever.
;; want: 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $again (drop (memory.grow (i32.const 0))) (br $again))
    unreachable))
