/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ids that Judge0 retired long ago. They can be listed and looked at, never run: clients use
 * the difference between "is archived" and "doesn't exist". What the catalogue says about an id
 * wins.
 */
#include "http/judge0.h"

static const struct family {
    const char *file, *compile, *run;
} bash = { "script.sh", NULL, "bash script.sh" },
  basic = { "main.bas", "fbc %s main.bas", "./main" }, c = { "main.c", "gcc %s main.c", "./a.out" },
  cpp = { "main.cpp", "g++ %s main.cpp", "./a.out" },
  csharp = { "Main.cs", "mcs %s Main.cs", "mono Main.exe" },
  clojure = { "main.clj", NULL, "java clojure.main main.clj" },
  crystal = { "main.cr", "crystal build %s main.cr", "./main" },
  elixir = { "main.exs", NULL, "elixir main.exs" },
  erlang = { "main.erl", NULL, "escript main.erl" },
  go = { "main.go", "go build %s main.go", "./main" },
  haskell = { "main.hs", "ghc %s main.hs", "./main" },
  insect = { "main.ins", NULL, "insect main.ins" },
  java = { "Main.java", "javac %s Main.java", "java Main" },
  javascript = { "main.js", NULL, "node main.js" },
  ocaml = { "main.ml", "ocamlc %s main.ml", "./a.out" },
  octave = { "file.m", NULL, "octave-cli file.m" },
  pascal = { "main.pas", "fpc %s main.pas", "./main" },
  python3 = { "main.py", NULL, "python3 main.py" }, python2 = { "main.py", NULL, "python main.py" },
  ruby = { "main.rb", NULL, "ruby main.rb" }, rust = { "main.rs", "rustc %s main.rs", "./main" };

static const struct {
    int id;
    const char *name;
    const struct family *family;
} archived[] = {
    { 1, "Bash (4.4)", &bash },
    { 2, "Bash (4.0)", &bash },
    { 3, "Basic (fbc 1.05.0)", &basic },
    { 4, "C (gcc 7.2.0)", &c },
    { 5, "C (gcc 6.4.0)", &c },
    { 6, "C (gcc 6.3.0)", &c },
    { 7, "C (gcc 5.4.0)", &c },
    { 8, "C (gcc 4.9.4)", &c },
    { 9, "C (gcc 4.8.5)", &c },
    { 10, "C++ (g++ 7.2.0)", &cpp },
    { 11, "C++ (g++ 6.4.0)", &cpp },
    { 12, "C++ (g++ 6.3.0)", &cpp },
    { 13, "C++ (g++ 5.4.0)", &cpp },
    { 14, "C++ (g++ 4.9.4)", &cpp },
    { 15, "C++ (g++ 4.8.5)", &cpp },
    { 16, "C# (mono 5.4.0.167)", &csharp },
    { 17, "C# (mono 5.2.0.224)", &csharp },
    { 18, "Clojure (1.8.0)", &clojure },
    { 19, "Crystal (0.23.1)", &crystal },
    { 20, "Elixir (1.5.1)", &elixir },
    { 21, "Erlang (OTP 20.0)", &erlang },
    { 22, "Go (1.9)", &go },
    { 23, "Haskell (ghc 8.2.1)", &haskell },
    { 24, "Haskell (ghc 8.0.2)", &haskell },
    { 25, "Insect (5.0.0)", &insect },
    { 26, "Java (OpenJDK 9 with Eclipse OpenJ9)", &java },
    { 27, "Java (OpenJDK 8)", &java },
    { 28, "Java (OpenJDK 7)", &java },
    { 29, "JavaScript (nodejs 8.5.0)", &javascript },
    { 30, "JavaScript (nodejs 7.10.1)", &javascript },
    { 31, "OCaml (4.05.0)", &ocaml },
    { 32, "Octave (4.2.0)", &octave },
    { 33, "Pascal (fpc 3.0.0)", &pascal },
    { 34, "Python (3.6.0)", &python3 },
    { 35, "Python (3.5.3)", &python3 },
    { 36, "Python (2.7.9)", &python2 },
    { 37, "Python (2.6.9)", &python2 },
    { 38, "Ruby (2.4.0)", &ruby },
    { 39, "Ruby (2.3.3)", &ruby },
    { 40, "Ruby (2.2.6)", &ruby },
    { 41, "Ruby (2.1.9)", &ruby },
    { 42, "Rust (1.20.0)", &rust },
};

size_t judge0_archived_count(void)
{
    return COUNT_OF(archived);
}

struct judge0_row judge0_archived_at(size_t index)
{
    const struct family *f = archived[index].family;
    return (struct judge0_row){
        archived[index].id, archived[index].name, true, f->file, f->compile, f->run
    };
}
