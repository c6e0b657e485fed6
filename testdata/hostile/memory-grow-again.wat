;; Grows its memory to the limit and traps, so that each datagram costs a new instance.
;; want: 8 faults (unreachable)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (drop (memory.grow (i32.const 1020)))
    (i32.store (i32.const 67108860) (i32.const 1))
    unreachable))
