;; Has a memory that is smaller than the window, and gives it nevertheless.
;; want: fault in retort_v1_window: window
(module
  (memory (export "memory") 1)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 16))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
