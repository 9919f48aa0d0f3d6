# SPDX-License-Identifier: MIT
# Measures: the same binaries and image under Maestro and Linux.
bench-flags := -m32 -static -O2 -g0 -std=gnu17 -Wall -Wextra -Werror
bench-tree := build/bench/tree

build/bench/bench build/bench/init: build/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@echo "  BENCH   $*"
	@gcc $(bench-flags) -o $@ $< && strip $@

build/bench/nop: tests/bench/nop.c
	@mkdir -p $(@D)
	@echo "  BENCH   nop"
	@gcc $(bench-flags) -nostdlib -o $@ $< && strip $@

build/bench.ext2: build/bench/bench build/bench/init build/bench/nop tests/abi/mkimage
	@echo "  IMAGE   $@"
	@rm -rf $(bench-tree) && mkdir -p $(bench-tree)/bench
	@cp build/bench/bench build/bench/init build/bench/nop $(bench-tree)/bench/
	@head -c 8388608 /dev/zero | tr '\0' 'm' > $(bench-tree)/bench/data
	@tests/abi/mkimage $(bench-tree) $@ 128M bench

# BENCH="--icount", BENCH="--only linux stat" and so on.
.PHONY: bench bench-linux
bench: build/bench.ext2 build/linux/vmlinuz build/maestro.elf ## measures, Maestro against Linux (BENCH=--icount for instructions)
	@tests/bench/run $(BENCH)

bench-linux: build/bench.ext2 build/linux/vmlinuz ## the same, Linux only
	@tests/bench/run --only linux $(BENCH)
