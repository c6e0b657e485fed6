;; Gives a window that begins 16 bytes later than the last one that there is room for.
;; want: fault in retort_v1_window: window
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param $size i32) (result i32)
    (i32.add (i32.const 16)
      (i32.and (i32.sub (i32.const 262144) (local.get $size)) (i32.const -16))))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32) (i32.const 0)))
