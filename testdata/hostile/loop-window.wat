;; Loops for ever when it is asked for its window.
;; want: fault in retort_v1_window: fuel
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (loop (br 0)) unreachable)
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
