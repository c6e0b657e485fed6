;; Gives a window that is aligned to 8 bytes instead of 16.
;; want: fault in retort_v1_window: window
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65544))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
