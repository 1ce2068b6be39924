# SPDX-License-Identifier: Apache-2.0
"""Programs that are right: each gives (language, name, source). Many print words that look like errors."""

# What a correct program may print, to both streams.
LINES = [
    "Traceback (most recent call last):",
    "NameError: name 'x' is not defined",
    "error: expected ';' before 'return'",
    "main.c:1:1: error: 'x' undeclared",
    "Segmentation fault (core dumped)",
    "undefined reference to 'main'",
    "Exception in thread main java.lang.NullPointerException",
    "ReferenceError: x is not defined",
    "terminate called after throwing an instance of 'std::out_of_range'",
    "free(): double free detected in tcache 2",
    "Killed",
    "None",
]

WRAP = {
    "python": "import sys\n{body}",
    "c": "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n\nint main(void)\n{{\n{body}    return 0;\n}}\n",
    "cpp": "#include <bits/stdc++.h>\nusing namespace std;\n\nint main()\n{{\n{body}}}\n",
    "java": "import java.util.*;\n\npublic class Main {{\n    public static void main(String[] args) {{\n{body}    }}\n}}\n",
    "javascript": "{body}",
}

PRINT = {
    "python": 'print("{0}")\nprint("{0}", file=sys.stderr)\n',
    "c": '    puts("{0}");\n    fputs("{0}\\n", stderr);\n',
    "cpp": '    cout << "{0}\\n";\n    cerr << "{0}\\n";\n',
    "java": '        System.out.println("{0}");\n        System.err.println("{0}");\n',
    "javascript": 'console.log("{0}");\nconsole.error("{0}");\n',
}

# Small tasks, one body per language, in which a careless pattern could see a mistake.
TASKS = {
    "loop_with_break": {
        "python": "i = 0\nwhile True:\n    i += 1\n    if i == 3:\n        break\nprint(i)\n",
        "c": "    int i = 0;\n    while (1)\n        if (++i == 3)\n            break;\n    printf(\"%d\\n\", i);\n",
        "cpp": "    int i = 0;\n    for (;;)\n        if (++i == 3)\n            break;\n    cout << i << endl;\n",
        "java": "        int i = 0;\n        while (true)\n            if (++i == 3)\n                break;\n        System.out.println(i);\n",
        "javascript": "let i = 0;\nwhile (true) if (++i === 3) break;\nconsole.log(i);\n",
    },
    "empty_output": {
        "python": "x = None\n",
        "c": "    int *p = NULL;\n    (void)p;\n",
        "cpp": "    vector<int> v;\n    (void)v;\n",
        "java": "        String s = null;\n",
        "javascript": "let x = null;\n",
    },
    "caught_error": {
        "python": "try:\n    {}['x']\nexcept KeyError as e:\n    print('KeyError', e)\n",
        "c": "    char *end;\n    long n = strtol(\"abc\", &end, 10);\n    printf(\"%ld\\n\", n);\n",
        "cpp": "    try {\n        vector<int>().at(3);\n    } catch (const out_of_range &e) {\n        cout << e.what() << endl;\n    }\n",
        "java": "        try {\n            int[] a = new int[1];\n            a[1] = 2;\n        } catch (ArrayIndexOutOfBoundsException e) {\n            e.printStackTrace();\n        }\n",
        "javascript": "try {\n  undefined.x;\n} catch (e) {\n  console.error(e);\n}\n",
    },
    "end_of_input": {
        "python": "print(sys.stdin.read().split())\n",
        "c": "    int n;\n    while (scanf(\"%d\", &n) == 1)\n        printf(\"%d\\n\", n);\n",
        "cpp": "    int n;\n    while (cin >> n)\n        cout << n << endl;\n",
        "java": "        Scanner in = new Scanner(System.in);\n        while (in.hasNextInt())\n            System.out.println(in.nextInt());\n",
        "javascript": "console.log(require(\"fs\").readFileSync(0, \"utf8\").split(\"\\n\").length);\n",
    },
    "recursion": {
        "python": "def f(n):\n    return 1 if n < 2 else n * f(n - 1)\nprint(f(20))\n",
        "c": "    long n = 1;\n    for (int i = 2; i < 20; i++)\n        n *= i;\n    printf(\"%ld\\n\", n);\n",
        "cpp": "    function<long(int)> f = [&](int n) { return n < 2 ? 1L : n * f(n - 1); };\n    cout << f(15) << endl;\n",
        "java": "        long n = 1;\n        for (int i = 2; i < 20; i++)\n            n *= i;\n        System.out.println(n);\n",
        "javascript": "const f = (n) => (n < 2 ? 1 : n * f(n - 1));\nconsole.log(f(20));\n",
    },
    "sorting": {
        "python": "items = [3, 1, 2]\nitems.sort()\nprint(items)\n",
        "c": "    int a[3] = { 3, 1, 2 };\n    for (int i = 0; i < 3; i++)\n        printf(\"%d \", a[i]);\n    puts(\"\");\n",
        "cpp": "    vector<int> v{ 3, 1, 2 };\n    sort(v.begin(), v.end());\n    for (int x : v)\n        cout << x << ' ';\n",
        "java": "        int[] a = { 3, 1, 2 };\n        Arrays.sort(a);\n        System.out.println(Arrays.toString(a));\n",
        "javascript": "console.log([3, 1, 2].sort((a, b) => a - b));\n",
    },
    "unused_warning": {
        "python": "import math\nx = 3\n",
        "c": "    int unused = 3;\n    printf(\"%ld\\n\", 3L);\n",
        "cpp": "    int unused;\n    cout << 1;\n",
        "java": "        List raw = new ArrayList();\n        raw.add(\"x\");\n        System.out.println(raw);\n",
        "javascript": "var unused;\n",
    },
    "text": {
        "python": "s = 'error'\nprint(s.upper(), len(s))\n",
        "c": "    char s[] = \"error\";\n    s[0] = 'E';\n    printf(\"%s %zu\\n\", s, strlen(s));\n",
        "cpp": "    string s = \"error\";\n    cout << s.length() << endl;\n",
        "java": "        String s = \"error\";\n        System.out.println(s.length() + s.toUpperCase());\n",
        "javascript": "console.log(\"error\".toUpperCase().length);\n",
    },
    "exit_zero": {
        "python": "sys.exit(0)\n",
        "c": "    exit(0);\n",
        "cpp": "    exit(0);\n",
        "java": "        System.exit(0);\n",
        "javascript": "process.exit(0);\n",
    },
}


def programs():
    for language, wrap in WRAP.items():
        for i, line in enumerate(LINES):
            yield language, f"prints_{i}", wrap.format(body=PRINT[language].format(line))
        for name, bodies in TASKS.items():
            yield language, name, wrap.format(body=bodies[language])
