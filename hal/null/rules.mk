# SPDX-License-Identifier: MIT
# The null port: proves that the core needs nothing but the contract. What the core leaves undefined must be what hal/null defines.
NULL_FLAGS := $(FREESTANDING) $(WARN) $(CORE_INC) -Ihal/null/include -Icore/abi/x86_64/include -Ibuild/gen/x86_64 -m64 -O1 -mgeneral-regs-only \
	-fno-stack-protector -fno-pic -fno-pie $(SAN_FRAMES)
NULL_CORE := $(patsubst %.c,build/null/%.o,$(CORE_COMMON) $(CORE_X86_64)) build/null/syscall_table.o
build/null/%.o: %.c | $(GEN)
	@mkdir -p $(@D)
	$(say) 'CC null' $<
	$(Q)$(CC) $(NULL_FLAGS) $(DEPS) -c -o $@ $<
build/null/syscall_table.o: build/gen/x86_64/syscall_table.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(NULL_FLAGS) $(DEPS) -c -o $@ $<
build/null/maestro-null.elf: $(NULL_CORE) build/null/hal/null/null.o
	$(say) LD $@
	$(Q)ld -r -o build/null/core.o $(NULL_CORE)
	$(Q)nm -u build/null/core.o | awk '{print $$2}' | sort >build/null/wanted
	$(Q)nm --defined-only build/null/hal/null/null.o | awk '$$2 ~ /[TDBRG]/ {print $$3}' | sort >build/null/contract
	$(Q)if comm -23 build/null/wanted build/null/contract | grep .; then echo 'the core needs these, and the contract does not have them'; exit 1; fi
	$(Q)ld -e upcall_boot -o $@ build/null/core.o build/null/hal/null/null.o
.PHONY: null
null: build/null/maestro-null.elf ## the core on the null port: checks the HAL contract
