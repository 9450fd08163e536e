"""The sprites' drawings: each kind by hand in two sizes, looking right, and what it may wear.

One letter a pixel. `PAINT` says what the fixed letters are; `o`, `h` and `s` are the sprite's own
colour, a lighter and a darker one of it. Eyes are two letters `E` wide apart: glasses sit there.
"""

PAINT: dict[str, tuple[int, int, int]] = {
    ".": (255, 255, 255),  # the background
    "#": (44, 36, 64),  # outline
    "E": (24, 18, 36),  # eyes
    "W": (255, 255, 255),  # white spots and shine
    "k": (255, 214, 178),  # skin
    "p": (255, 138, 138),  # cheeks
    "c": (250, 238, 212),  # cream: a mushroom's stem
    "l": (198, 236, 255),  # glass
    "b": (156, 98, 58),  # wood, leather, cork
    "d": (110, 64, 42),  # the same, darker
    "g": (255, 200, 40),  # gold
    "y": (214, 138, 16),  # gold, darker
    "r": (230, 50, 80),  # a ruby
}

COLOURS: dict[str, dict[str, tuple[int, int, int]]] = {
    "red": {"h": (255, 122, 112), "o": (226, 48, 56), "s": (160, 24, 48)},
    "orange": {"h": (255, 190, 104), "o": (248, 132, 28), "s": (190, 84, 12)},
    "yellow": {"h": (255, 244, 150), "o": (252, 214, 44), "s": (206, 154, 12)},
    "green": {"h": (148, 224, 110), "o": (60, 172, 66), "s": (22, 112, 56)},
    "cyan": {"h": (190, 248, 250), "o": (74, 210, 224), "s": (22, 146, 170)},
    "blue": {"h": (118, 166, 255), "o": (40, 96, 232), "s": (24, 52, 156)},
    "purple": {"h": (212, 148, 246), "o": (154, 58, 196), "s": (98, 28, 134)},
    "pink": {"h": (255, 206, 230), "o": (255, 132, 190), "s": (208, 74, 140)},
}

KINDS: dict[str, dict[str, str]] = {
    "potion": {
        "big": """
....####....
....#bd#....
....####....
....#lW#....
..###ll###..
.#llllllWl#.
#hhooollllW#
#hooEooEooo#
#hooEooEooo#
#soooooooos#
.#ssooooss#.
..########..
""",
        "small": """
..####..
..#bd#..
..####..
.##lW##.
#hollWo#
#hoEoEo#
#ooEoEo#
#sooooo#
.#ssss#.
..####..
""",
    },
    "sword": {
        "big": """
........####
........#ho#
.......#hoo#
......#hooo#
.....#hooo#.
.##.#hEoE#..
#gg#hoos#...
.#gghos#....
..#ggs#.....
.#bbgg#.....
#bd##gg#....
.##..##.....
""",
        "small": """
......####
......#ho#
.....#hoo#
....#hooo#
.###hEoE#.
.#gghoo#..
..#ggs#...
.#bbgg#...
.##.###...
""",
    },
    "slime": {
        "big": """
.....##.....
....#hh#....
...#hooo#...
..#hhoooo#..
.#hhoooooo#.
#hoooEooEoo#
#hoooEooEoo#
#oopooooopo#
#soooo##ooo#
.#ssssssss#.
..########..
""",
        "small": """
...##...
..#ho#..
.#hooo#.
#hoEoEo#
#ooEoEo#
#ssooos#
.######.
""",
    },
    "ghost": {
        "big": """
....####....
..##hhhh##..
.#hhhhhhhh#.
.#hhWEhWEh#.
.#hhWEhWEh#.
##hhhhhhhh##
#ohhhh##hhh#
##ohhh##hh##
.#ohhhhhhh#.
.#oohhohhh#.
.#o##oo##o#.
..#..##..#..
""",
        "small": """
..####..
.#hhhh#.
#hWEWEh#
#hWEWEh#
#hhhhhh#
#ohhhho#
#o#oo#o#
.#.##.#.
""",
    },
    "hero": {
        "big": """
...######...
..#hhoooo#..
.#hhooooooo#
.#hooookkko#
.#hokEkkEkk#
.#sokEkkEkk#
.#ssokkkkkp#
..#########.
.#hoooookk#.
.#sgggyg##..
..#bb##bb#..
..########..
""",
        "small": """
..####..
.#hooo#.
#hokkkk#
#okEkEk#
#skEkEk#
.######.
.#oogo#.
.#b##b#.
.######.
""",
    },
    "cat": {
        "big": """
..#......#..
.#h#....#o#.
.#hp####po#.
.#hhoooooo#.
#hhooEooEoo#
#hoooEooEoo#
#soooWppWoo#
.#sooWWWWo#.
##.#######..
#o##ooWWo#..
#os#ooWWs#..
.#########..
""",
        "small": """
.#....#.
#h####o#
#hooooo#
#hoEoEo#
#ooEoEo#
#soWpWo#
.######.
#o#oWo#.
.######.
""",
    },
    "mushroom": {
        "big": """
....####....
..##hhWW##..
.#hhoWWWWo#.
#hhooWWWWoo#
#WWoooWWooo#
#WWooooooWW#
#sWssoossWW#
.##########.
..#ccEccEc#.
..#ccEccEc#.
..#ccccccc#.
...#######..
""",
        "small": """
..####..
.#hoWW#.
#hooWWo#
#Wooooo#
.######.
.#cEcEc#
.#cEcEc#
..#####.
""",
    },
    "chest": {
        "big": """
..#########.
.#hhooooooo#
#hs#ooooooo#
#ss#ooooooo#
#yy#ggggggg#
############
#ss#oEooEoo#
#ss#oEggEoo#
#ss#oogyooo#
#ss#ooooooo#
.##########.
""",
        "small": """
..#####.
.#hhooo#
#hsoooo#
#yygggg#
########
#ssEoEo#
#ssEoEo#
.######.
""",
    },
}

EXTRAS: dict[str, dict[str, str]] = {
    "crown": {
        "big": """
g..g..g
gggrggg
yyyyyyy
""",
        "small": """
g.g.g
ggrgg
yyyyy
""",
    },
    "glasses": {
        "big": """
.##.##.
#ll#ll#
#Wl#Wl#
.##.##.
""",
        "small": """
.#.#.
#l#l#
#l#l#
""",
    },
    "sparkle": {
        "big": """
..g..
..g..
ggWgg
..g..
..g..
""",
        "small": """
.g.
gWg
.g.
""",
    },
}
