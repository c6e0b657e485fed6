;; want: its import retort_v1.log is (i32) -> () and must be (i32, i32, i32) -> ()
(module
  (import "retort_v1" "log" (func (param i32)))
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
