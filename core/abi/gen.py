#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes, from core/abi/<arch>/syscalls.tbl and the handlers that the core defines:

  OUT/<arch>/gen/sys_proto.h    prototypes of all handlers, so that a definition that differs does not compile
  OUT/<arch>/syscall_table.c    argument unpacking, the dispatch table, and what the tracer prints
  OUT/syscalls.md               the support table (with --doc)

A call that is answered with ENOSYS must say why: the text behind '#' in its line.

Usage: gen.py OUT [--doc FILE] SOURCE.c...
A handler is taken as defined when a source has `long sys_NAME(` at the start of a line.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CTYPE = {
    "fd": "int", "dfd": "int", "int": "int", "sig": "int", "oflags": "int", "uint": "unsigned", "long": "long",
    "off": "long", "ulong": "unsigned long", "hex": "unsigned long", "size": "size_t", "off64": "s64", "pos2": "s64",
    "str": "const char __user *", "in": "const void __user *", "out": "void __user *", "pid": "pid_t", "uid": "uid_t",
    "gid": "gid_t", "mode": "mode_t",
}
# One letter an argument, for the tracer.
LETTER = {
    "fd": "d", "dfd": "D", "int": "d", "sig": "S", "oflags": "O", "uint": "u", "long": "l", "off": "l", "ulong": "x",
    "hex": "x", "size": "z", "off64": "L", "pos2": "P", "str": "s", "in": "p", "out": "p", "pid": "d", "uid": "u",
    "gid": "u", "mode": "o",
}
ARCHES = ("i386", "x86_64")


class Call:
    def __init__(self, line, where):
        text, _, note = line.partition("#")
        parts = text.split()
        if len(parts) < 3:
            sys.exit(f"{where}: a line is: number name handler kinds...")
        self.nr, self.name, self.handler = int(parts[0]), parts[1], parts[2]
        self.note = note.strip()
        self.args = []
        for word in parts[3:]:
            kind, _, name = word.partition(":")
            if kind not in CTYPE:
                sys.exit(f"{where}: unknown kind '{kind}'")
            self.args.append((kind, name))

    def params(self):
        return ", ".join(CTYPE[k] + ("" if CTYPE[k].endswith("*") else " ") + n for k, n in self.args) or "void"


def read_table(arch):
    path = os.path.join(HERE, arch, "syscalls.tbl")
    calls, seen = [], set()
    with open(path) as f:
        for i, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            call = Call(line, f"{path}:{i}")
            if call.nr in seen:
                sys.exit(f"{path}:{i}: number {call.nr} twice")
            seen.add(call.nr)
            calls.append(call)
    return calls


def defined_handlers(sources, arch):
    """What arch's build defines: all of the core but the other ABI's folder."""
    other = [f"/abi/{a}/" for a in ARCHES if a != arch]
    found = set()
    for src in sources:
        if any(o in "/" + src for o in other):
            continue
        with open(src) as f:
            found.update(re.findall(r"^long sys_(\w+)\(", f.read(), re.M))
    return found


def unpack(call, arch):
    """C expressions of the arguments, from the registers."""
    out, reg = [], 0
    for kind, _ in call.args:
        ctype = CTYPE[kind]
        if kind == "off64" and arch == "i386":
            out.append(f"(s64)((u64)ARG({reg}) | (u64)ARG({reg + 1}) << 32)")
            reg += 2
        elif kind == "pos2":
            out.append(f"(s64)((u64)ARG({reg}) | (u64)ARG({reg + 1}) << 32)" if arch == "i386" else f"(s64)ARG({reg})")
            reg += 2
        else:
            out.append(f"({ctype})ARG({reg})")
            reg += 1
    if reg > 6:
        sys.exit(f"{arch}: {call.name} has more than six words of arguments")
    return ", ".join(out)


def write_if_changed(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.exists(path):
        with open(path) as f:
            if f.read() == text:
                return
    with open(path, "w") as f:
        f.write(text)


def generate(arch, out, sources):
    calls = read_table(arch)
    have = defined_handlers(sources, arch)
    protos, done = [], set()
    # Prototypes of both ABIs' handlers: generic code may define one that only the other table names.
    for call in calls + [c for a in ARCHES if a != arch for c in read_table(a)]:
        if call.handler != "-" and call.handler not in done:
            done.add(call.handler)
            protos.append(f"long sys_{call.handler}({call.params()});")
    head = "/* SPDX-License-Identifier: MIT */\n/* Made by core/abi/gen.py. */\n"
    write_if_changed(f"{out}/{arch}/gen/sys_proto.h", head + "#pragma once\n\n#include <maestro/types.h>\n\n" + "\n".join(protos) + "\n")

    wrappers, rows, done = [], [], set()
    for call in calls:
        real = call.handler in have
        if not real and not call.note:
            sys.exit(f"core/abi/{arch}/syscalls.tbl: {call.name} answers ENOSYS: say why behind a '#'")
        if real and call.handler not in done:
            done.add(call.handler)
            wrappers.append(f"static long w_{call.handler}(const struct hal_regs *r)\n{{\n\t(void)r;\n\treturn sys_{call.handler}({unpack(call, arch)});\n}}")
        letters = "".join(LETTER[k] for k, _ in call.args)
        rows.append(f'\t[{call.nr}] = {{{"w_" + call.handler if real else "NULL"}, "{call.name}", "{letters}"}},')
    top = max(c.nr for c in calls) + 1
    text = head + '#include <gen/sys_proto.h>\n#include <maestro/syscall_table.h>\n\n' + "\n".join(wrappers)
    text += f"\n\nconst struct syscall_entry syscall_table[{top}] = {{\n" + "\n".join(rows) + f"\n}};\nconst unsigned syscall_count = {top};\n"
    write_if_changed(f"{out}/{arch}/syscall_table.c", text)
    return calls, have


def document(path, tables):
    lines = ["# System calls", "", "Made by `core/abi/gen.py` from the tables in `core/abi`; do not edit.", ""]
    for arch, (calls, have) in tables.items():
        real = sum(c.handler in have for c in calls)
        lines += [f"## {arch}: {real} of {len(calls)}", "", "| number | name | support | arguments |", "|---|---|---|---|"]
        for c in calls:
            level = "real" if c.handler in have else f"ENOSYS: {c.note}"
            lines.append(f"| {c.nr} | {c.name} | {level} | {', '.join(n for _, n in c.args)} |")
        lines.append("")
    write_if_changed(path, "\n".join(lines))


def main():
    args = sys.argv[1:]
    if not args or args[0] in ("-h", "--help"):
        print(__doc__)
        return
    out, args = args[0], args[1:]
    doc = None
    if args and args[0] == "--doc":
        doc, args = args[1], args[2:]
    tables = {arch: generate(arch, out, args) for arch in ARCHES}
    if doc:
        document(doc, tables)


main()
