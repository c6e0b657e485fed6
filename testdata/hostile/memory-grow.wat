;; Grows its memory page by page as far as it goes, and writes to every page. It answers with the number of pages.
;; want: 8 replies of "\x00\x04\x00\x00"
(module
  (memory (export "memory") 4)
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param i32 i32 i32 i32 i32) (result i32)
    (local $page i32)
    (block $full
      (loop $more
        (local.set $page (memory.grow (i32.const 1)))
        (br_if $full (i32.eq (local.get $page) (i32.const -1)))
        (i32.store (i32.mul (local.get $page) (i32.const 65536)) (i32.const 1))
        (br $more)))
    (i32.store (local.get 2) (memory.size))
    (i32.const 4)))
