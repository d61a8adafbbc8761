def preload(parser):
    parser.add_argument("--probe-word", default="none", help="given back by the probe's route")
