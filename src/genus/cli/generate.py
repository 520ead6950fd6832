"""genus generate FOLDER [PROMPT]: go on with a text."""

from __future__ import annotations

from typing import Any

from genus.cli.answer import Answer
from genus.cli.fitted import add_folder, given_for, load_fitted
from genus.cli.parsing import Mistake, Parser, real, whole
from genus.model import CanGenerate
from genus.spaces import Tokens

OPTIONS = ("max_new_tokens", "temperature", "top_k", "top_p", "num_beams", "length_penalty", "seed")


def parser() -> Parser:
    made = Parser(
        "generate",
        "FOLDER [PROMPT] [options]",
        "The prompt and how a fitted model goes on with it. Unless told otherwise it draws from what it has learned:\n"
        "no hidden temperature, no hidden top-k.",
        '  genus generate runs/gpt "This movie" --temperature 0.7\n'
        '  genus generate runs/gpt "To be" --max-new-tokens 500 --seed 1\n'
        '  genus generate runs/gpt "To be" --num-beams 4\n'
        '  genus generate runs/gpt -- "- a prompt that begins with a dash"',
    )
    add_folder(made)
    add = made.add_argument
    add(
        "prompt",
        nargs="?",
        default="",
        metavar="PROMPT",
        help="a text; whole numbers for a model of them (default: none)",
    )
    add("--max-new-tokens", type=whole, metavar="N", help="at most so many (default 256)")
    add("--temperature", type=real, metavar="X", help="below 1 sharper, above 1 flatter, 0 the likeliest (default 1)")
    add("--top-k", type=whole, metavar="N", help="draw among the N likeliest tokens only")
    add("--top-p", type=real, metavar="X", help="draw among the likeliest tokens that together have probability X")
    add("--num-beams", type=whole, metavar="N", help="search N continuations for the likeliest, instead of drawing")
    add("--length-penalty", type=real, metavar="X", help="of that search: above 0 favours longer ones (default 1)")
    add("--given", action="append", metavar="NAME=VALUE", help="the condition of a model that was fitted with --given")
    add("--seed", type=whole, metavar="N", help="the same seed gives the same text (default 0)")
    return made


def run(words: list[str]) -> Answer:
    """Generate; print the text alone."""
    arguments = parser().parse(words[1:])
    model = load_fitted(arguments.folder, arguments.device, CanGenerate, "generate")
    prompt = _prompt(arguments.prompt, model.fitted_space)
    options = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    drawn = model.generate(prompt, given=given_for(model, arguments.given), **options)
    text = drawn if isinstance(drawn, str) else " ".join(map(str, drawn.tolist()))
    found = {"text": text} if isinstance(drawn, str) else {"tokens": drawn}
    return Answer(text, {"prompt": arguments.prompt, **found})


def _prompt(text: str, space: Any) -> Any:
    """A text; whole numbers for a model of them."""
    if not isinstance(space, Tokens) or space.tokenizer is not None:
        return text
    try:
        return [int(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise Mistake(f"generate: the prompt {text!r} must be whole numbers such as '3 1 4': this model learned those") from None
