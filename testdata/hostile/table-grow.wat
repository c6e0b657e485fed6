;; Grows its table as far as it goes, by a thousand elements at a time. It answers with the number of elements.
;; want: 8 replies of "\xf2\xfd\x00\x00"
(module
  (memory (export "memory") 4)
  (table $t 10 funcref)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 1000)) (i32.const -1))))
    (i32.store (local.get 2) (table.size $t))
    (i32.const 4)))
