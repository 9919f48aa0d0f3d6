# SPDX-License-Identifier: MIT
# Measures: the same binaries and image under Maestro and Linux.
bench-flags := -m32 -static -O2 -g0 -std=gnu17 -Wall -Wextra -Werror
bench-tree := build/bench/tree

build/bench/init: tests/bench/init.c
build/bench/bench: tests/bench/bench.c $(sort $(wildcard tests/bench/rows_*.c)) tests/bench/bench.h
build/bench/bench build/bench/init:
	@mkdir -p $(@D)
	@echo "  BENCH   $(@F)"
	@gcc $(bench-flags) -o $@ $(filter %.c,$^) && strip $@

build/bench/nop: tests/bench/nop.c
	@mkdir -p $(@D)
	@echo "  BENCH   nop"
	@gcc $(bench-flags) -nostdlib -o $@ $< && strip $@

build/bench.ext2: build/bench/bench build/bench/init build/bench/nop tests/abi/mkimage
	@echo "  IMAGE   $@"
	@rm -rf $(bench-tree) && mkdir -p $(bench-tree)/bench $(bench-tree)/world
	@cp build/bench/bench build/bench/init build/bench/nop $(bench-tree)/bench/
	@head -c 8388608 /dev/zero | tr '\0' 'm' > $(bench-tree)/bench/data
	@tests/abi/mkimage $(bench-tree) $@ 128M bench

# BENCH="--icount", BENCH="--only linux stat" and so on. The programs that some rows start are those of build/devroot.ext2.
.PHONY: bench bench-linux
bench: build/bench.ext2 build/devroot.ext2 build/linux/vmlinuz build/maestro.elf ## measures, Maestro against Linux (BENCH=--icount for instructions)
	@tests/bench/run $(BENCH)

bench-linux: build/bench.ext2 build/devroot.ext2 build/linux/vmlinuz ## the same, Linux only
	@tests/bench/run --only linux $(BENCH)
