# SPDX-License-Identifier: MIT
# Fuzzing: make fuzz TARGET=read|ops TIME=60 [ENGINE=libfuzzer|afl]. Inputs and findings: build/fuzz/TARGET/. make test-fuzz runs past findings again.
TARGET ?= read
TIME ?= 60
ENGINE ?= libfuzzer
FUZZ_HOST := tests/fuzz/fuzz_host.c tests/fuzz/model_host.c tests/images/tree_host.c
FUZZ_CLANG := -O1 -DMAESTRO_DEBUG -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-sanitize=alignment,pointer-overflow $(SAN_FRAMES)
VARIANT_fuzz := $(subst -Wno-maybe-uninitialized,-Wno-cast-align,$(FUZZ_CLANG)) -fsanitize=fuzzer-no-link
# AFL++ wants speed: asserts and UBSan's traps find most; ASan is libFuzzer's.
VARIANT_afl := -O2 -DMAESTRO_DEBUG -Wno-frame-larger-than -Wno-cast-align
$(foreach v,fuzz afl,$(eval $(call hosted_variant,$(v))))
build/fuzz/%: CC := clang
build/afl/%: CC := afl-clang-fast
build/afl/%: export AFL_QUIET := 1

define fuzz_target
build/fuzz/$(1): $$(patsubst %.c,build/fuzz/%.o,$$(FUZZ_HOST)) build/fuzz/tests/fuzz/$(1)_target_host.o build/fuzz/libmaestro.o
	$$(say) LD $$@
	$$(Q)clang -fsanitize=fuzzer,address,undefined -o $$@ $$^ -pthread -ldl
build/afl/$(1): $$(patsubst %.c,build/afl/%.o,$$(FUZZ_HOST)) build/afl/tests/fuzz/$(1)_target_host.o build/afl/tests/fuzz/replay_host.o build/afl/libmaestro.o
	$$(say) LD $$@
	$$(Q)AFL_QUIET=1 afl-clang-fast -o $$@ $$^ -pthread -ldl
build/asan/fuzz-$(1): $$(patsubst %.c,build/asan/%.o,$$(FUZZ_HOST)) build/asan/tests/fuzz/$(1)_target_host.o build/asan/tests/fuzz/replay_host.o \
		build/asan/libmaestro.o
	$$(say) LD $$@
	$$(Q)$$(CC) $$(VARIANT_asan) -o $$@ $$^ -pthread -ldl
endef
$(foreach t,read ops,$(eval $(call fuzz_target,$(t))))

build/fuzz/bases: tests/fuzz/mkbases
	@mkdir -p $(@D)
	$(Q)tests/fuzz/mkbases $@

.PHONY: fuzz test-fuzz
fuzz: build/fuzz/bases ## look for inputs that break the kernel (TARGET=read|ops TIME=60 ENGINE=libfuzzer|afl)
	$(Q)$(MAKE) build/$(if $(filter afl,$(ENGINE)),afl,fuzz)/$(TARGET)
	$(Q)tests/fuzz/run $(ENGINE) $(TARGET) $(TIME)
FUZZ_OPTIONS := ASAN_OPTIONS=handle_segv=0:handle_sigbus=0:detect_leaks=0:detect_stack_use_after_return=0
test-fuzz: build/fuzz/bases build/asan/fuzz-read build/asan/fuzz-ops ## inputs that once broke the kernel
	$(Q)$(FUZZ_OPTIONS) timeout 120 build/asan/fuzz-read $(wildcard tests/fuzz/regress/read-*.hex)
	$(Q)$(FUZZ_OPTIONS) timeout 120 build/asan/fuzz-ops $(wildcard tests/fuzz/regress/ops-*.hex)
