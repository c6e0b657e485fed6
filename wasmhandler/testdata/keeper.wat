;; Keeps what it is asked, in memory and in globals, and shows what it finds. The request's first byte says what:
;; "k" keeps the request, "K" keeps it and traps, "g" keeps it in memory that it grows; any other shows.
(module
  (memory (export "memory") 4 8)
  (global $seen (mut i64) (i64.const 0))
  (global $asked (mut i32) (i32.const 0))
  (global $mark (mut f64) (f64.const 1.5))
  (data (i32.const 4096) "pristine")

  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))

  (func $keep (param $at i32) (param $req i32) (param $len i32)
    (memory.copy (local.get $at) (local.get $req) (local.get $len))
    (global.set $seen (i64.load offset=1 (local.get $req)))
    (global.set $mark (f64.load offset=1 (local.get $req))))

  ;; Shows 64 bytes of its memory at 4096, the globals, and whatever lies in the place for replies behind that.
  (func (export "retort_v1_reply") (param $req i32) (param $len i32) (param $out i32) (param $cap i32) (param $meta i32)
    (result i32)
    (local $what i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (local.set $what (i32.load8_u (local.get $req)))
    (if (i32.eq (local.get $what) (i32.const 0x6b))                                                      ;; k
      (then
        (call $keep (i32.const 4096) (local.get $req) (local.get $len))
        (call $keep (i32.const 262000) (local.get $req) (local.get $len))
        (memory.copy (local.get $out) (local.get $req) (local.get $len))
        (return (local.get $len))))
    (if (i32.eq (local.get $what) (i32.const 0x4b))                                                      ;; K
      (then
        (call $keep (i32.const 4096) (local.get $req) (local.get $len))
        unreachable))
    (if (i32.eq (local.get $what) (i32.const 0x67))                                                      ;; g
      (then
        (if (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0))
          (then (call $keep (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1024)) (local.get $req) (local.get $len))))
        (return (i32.const -1))))
    (memory.copy (local.get $out) (i32.const 4096) (i32.const 64))
    (i64.store offset=64 (local.get $out) (global.get $seen))
    (f64.store offset=72 (local.get $out) (global.get $mark))
    (i32.store offset=80 (local.get $out) (global.get $asked))
    (i32.store offset=84 (local.get $out) (memory.size))
    (i32.const 1024)))
