;; Logs lines that want to be two, to look like another's, to move the cursor, to hide and to run backwards, at
;; levels that there are not.
;; want: 8 replies of ""; 8 log lines
(module
  (import "retort_v1" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024)
    "fine\0atime=2026-11-22T13:40:00Z level=ERROR msg=\"root logged in\"\0d\0a"
    "\1b[2J\1b[1;1H\1b]0;title\07\1b[31mred\1b[0m \9b\31m \08\08\08\7f "
    "\e2\80\ae backwards \e2\80\ac \e2\81\a6 isolated \e2\81\a9 \e2\80\8b no width \ef\bb\bf "
    "\e2\80\a8 line \e2\80\a9 paragraph \00 nought \85 next \ff\fe\c0\80 no text \ed\a0\80 \f4\90\80\80")
  (func (export "retort_v1_window") (param i32) (result i32) (i32.const 65536))
  (func (export "retort_v1_reply") (param $req i32) (param i32 i32 i32 i32) (result i32)
    (call $log
      (select (i32.const 0x7fffffff) (i32.const 0x80000000) (i32.and (i32.load8_u (local.get $req)) (i32.const 1)))
      (i32.const 1024) (i32.const 300))
    (i32.const 0)))
