;; want: it imports what no handler is given: retort_v1.send (reserved for a later version of the ABI)
(module
  (import "retort_v1" "send" (func (param i32 i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
