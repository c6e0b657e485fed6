;; Loops for ever when it is asked whether a datagram is a response. What cannot be told is taken for one.
;; want: 8 replies of ""; is_response: 8 of 8, 8 faults (fuel)
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_is_response") (param i32 i32 i32) (result i32) (loop (br 0)) unreachable)
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
